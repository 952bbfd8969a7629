import { z } from 'zod'
import { type EventType, eventCatalogue, eventTypes } from './catalogue.ts'
import { cloudEventSchema, publishedData, schemaPath, toCloudEvent } from './cloud-event.ts'
import { exampleOf } from './event.ts'

/** The keywords of a JSON Schema that this code reads. */
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
 * Returns the JSON Schema of a zod schema. It allows unknown properties, because later versions may
 * add some.
 * @param target `draft-2020-12`, or `draft-7`, on which AsyncAPI builds
 */
export function jsonSchemaOf(schema: z.ZodType, target: 'draft-2020-12' | 'draft-7'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target,
    io: 'input',
    override: ({ jsonSchema }) => {
      // zod adds the pattern by which it checks a format. It is of no use to readers and may change
      // with every zod release.
      if (jsonSchema.format === 'date-time') jsonSchema.pattern = 'Z$'
      else if (jsonSchema.format !== undefined) delete jsonSchema.pattern
      // OpenAPI has `example`, JSON Schema `examples`.
      if ('example' in jsonSchema) {
        jsonSchema.examples = [jsonSchema['example']]
        delete jsonSchema['example']
      }
    },
  })
  return rest as JsonSchema
}

/**
 * Returns the JSON Schema (2020-12) of the `data` of a type, to which `dataschema` of its events
 * points.
 */
function dataSchema(type: EventType, publicUrl: string): JsonSchema {
  return {
    $schema: DIALECT,
    $id: `${publicUrl}${schemaPath(type)}`,
    ...jsonSchemaOf(publishedData(type), 'draft-2020-12'),
    examples: [toCloudEvent(exampleOf(type), publicUrl).data],
  }
}

/**
 * Returns the JSON Schema (2020-12) of a whole CloudEvent of a type. `data` refers to {@link
 * dataSchema}.
 */
function envelopeSchema(type: EventType, publicUrl: string): JsonSchema {
  const { properties, ...rest } = jsonSchemaOf(cloudEventSchema(type), 'draft-2020-12')
  return {
    $schema: DIALECT,
    $id: `${publicUrl}${envelopePath(type)}`,
    title: envelopeTitle(type),
    ...rest,
    properties: { ...properties, data: { $ref: `${publicUrl}${schemaPath(type)}` } },
    examples: [toCloudEvent(exampleOf(type), publicUrl)],
  }
}

/** Returns the title of the schema of a whole CloudEvent, from which generators name its type. */
export function envelopeTitle(type: EventType): string {
  return `${eventCatalogue[type].title}, as a CloudEvent`
}

/** Returns every schema that the API serves, by path. */
export function eventSchemas(publicUrl: string): Record<string, JsonSchema> {
  return Object.fromEntries(
    eventTypes.flatMap(type => [
      [schemaPath(type), dataSchema(type, publicUrl)],
      [envelopePath(type), envelopeSchema(type, publicUrl)],
    ]),
  )
}

const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** Returns the path of the schema of a whole CloudEvent. */
function envelopePath(type: EventType): string {
  return `/schemas/cloud-events/${type}.json`
}
