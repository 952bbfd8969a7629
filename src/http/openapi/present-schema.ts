import type { z } from 'zod'

type JsonSchema = z.core.JSONSchema.BaseSchema

/** Makes a schema that zod has rendered shorter for readers and code generators. */
export function presentSchema({ jsonSchema }: { jsonSchema: JsonSchema }): void {
  flattenNullable(jsonSchema)
  // The format says the same as the pattern by which zod checks it.
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern
}

/**
 * Writes a nullable schema as `type: [string, null]` instead of a union, so that description and
 * example are where generators and Swagger UI read them. A union with a reference keeps its form.
 */
function flattenNullable(jsonSchema: JsonSchema): void {
  const [schema, other, ...others] = jsonSchema.anyOf ?? []
  if (!schema || schema.$ref || other?.type !== 'null' || others.length > 0) return
  const { anyOf: _, ...rest } = jsonSchema
  delete jsonSchema.anyOf
  Object.assign(jsonSchema, schema, rest)
  if (schema.anyOf) jsonSchema.anyOf = [...schema.anyOf, other]
  if (schema.type) Object.assign(jsonSchema, { type: [schema.type, 'null'] })
  if (schema.enum) jsonSchema.enum = [...schema.enum, null]
}
