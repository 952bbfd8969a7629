import { z } from 'zod'
import { type EventType, eventCatalogue, eventTypes } from './catalogue.ts'
import { cloudEventSchema, schemaPath, toCloudEvent } from './cloud-event.ts'
import { exampleOf } from './event.ts'

/** A JSON Schema, as far as we look into it. */
export interface JsonSchema {
  title?: string
  description?: string
  type?: string | string[]
  format?: string
  pattern?: string
  const?: unknown
  enum?: unknown[]
  required?: string[]
  items?: JsonSchema
  properties?: Record<string, JsonSchema>
  [keyword: string]: unknown
}

/**
 * What the catalogue says, as JSON Schema. Open: what it does not name may be there one day, and is to be left alone.
 * @param target `draft-2020-12`, or `draft-7` for what AsyncAPI builds on
 */
export function jsonSchemaOf(schema: z.ZodType, target: 'draft-2020-12' | 'draft-7'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target,
    io: 'input',
    override: ({ jsonSchema }) => {
      // Beside the formats, zod writes out the patterns by which it checks them: for no reader, and new with any release.
      if (jsonSchema.format === 'date-time') jsonSchema.pattern = 'Z$'
      else if (jsonSchema.format !== undefined) delete jsonSchema.pattern
      // OpenAPI has one, JSON Schema several.
      if ('example' in jsonSchema) {
        jsonSchema.examples = [jsonSchema['example']]
        delete jsonSchema['example']
      }
    },
  })
  return rest as JsonSchema
}

/** The JSON Schema (2020-12) of the `data` of a type: what `dataschema` of its events leads to. */
function dataSchema(type: EventType, publicUrl: string): JsonSchema {
  return {
    $schema: DIALECT,
    $id: `${publicUrl}${schemaPath(type)}`,
    ...jsonSchemaOf(eventCatalogue[type].payload, 'draft-2020-12'),
    examples: [exampleOf(type).payload],
  }
}

/** The JSON Schema (2020-12) of a whole event of a type, which leaves `data` to {@link dataSchema}. */
function envelopeSchema(type: EventType, publicUrl: string): JsonSchema {
  const { properties, ...rest } = jsonSchemaOf(cloudEventSchema(type), 'draft-2020-12')
  return {
    $schema: DIALECT,
    $id: `${publicUrl}${envelopePath(type)}`,
    title: `${eventCatalogue[type].title}, as a CloudEvent`,
    ...rest,
    properties: { ...properties, data: { $ref: `${publicUrl}${schemaPath(type)}` } },
    examples: [toCloudEvent(exampleOf(type), publicUrl)],
  }
}

/** Every schema that is served, by its path. */
export function eventSchemas(publicUrl: string): Record<string, JsonSchema> {
  return Object.fromEntries(
    eventTypes.flatMap(type => [
      [schemaPath(type), dataSchema(type, publicUrl)],
      [envelopePath(type), envelopeSchema(type, publicUrl)],
    ]),
  )
}

const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** Where the JSON Schema of whole events of a type is served. */
function envelopePath(type: EventType): string {
  return `/schemas/cloud-events/${type}.json`
}
