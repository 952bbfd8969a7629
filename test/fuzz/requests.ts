import fc, { type Arbitrary } from 'fast-check'
import type { Operation, Schema } from '../http/operations.ts'

/** Generates valid, invalid and absurd requests from the OpenAPI document. */

/** A request before its ids are filled in, which happens when it is sent. */
export interface FuzzRequest {
  operation: Operation
  pathId: IdChoice
  query: Record<string, string>
  body: unknown
  headers: Record<string, string>
}

/** `pick` is the number of an existing resource, or a literal id. */
export interface IdChoice {
  pick: number | string
}

interface JsonSchema extends Schema {
  type?: string | string[]
  format?: string
  enum?: unknown[]
  anyOf?: JsonSchema[]
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  maxLength?: number
  pattern?: string
  items?: JsonSchema
  properties?: Record<string, JsonSchema>
}

const MAX_LINE_COUNT = 4
const MAX_TEXT_LENGTH = 40

/** Generates requests to all operations. */
export function requestArbitrary(document: object, operations: readonly Operation[]): Arbitrary<FuzzRequest> {
  return fc.oneof(...operations.map(operation => operationArbitrary(document, operation)))
}

function operationArbitrary(document: object, operation: Operation): Arbitrary<FuzzRequest> {
  const queryFields = operation.parameters.filter(({ in: place }) => place === 'query')
  const body = operation.bodySchema ? bodyArbitrary(document, operation.bodySchema) : fc.constant(undefined)
  return fc.record({
    operation: fc.constant(operation),
    pathId: idChoice,
    query: queryArbitrary(queryFields.map(({ name, schema }) => [name, schema as JsonSchema])),
    body,
    headers: fc
      .tuple(
        fc.record(
          {
            'idempotency-key': fc.oneof(
              fc.stringMatching(/^[!-~]{1,40}$/),
              fc.constantFrom('same', 'not one', '"quoted"'),
            ),
            'x-request-id': fc.stringMatching(/^[ -~]{0,80}$/),
          },
          { requiredKeys: [] },
        ),
        fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: conditions }),
      )
      .map(([headers, conditional]) => ({ ...headers, ...conditional })),
  })
}

const entityTags = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('*', '"1"', '"2"', 'W/"1"', '"1", "2.3"', '"x"') },
  { weight: 1, arbitrary: fc.stringMatching(/^[!-~]{0,20}$/) },
)

const conditions = fc.record({ 'if-match': entityTags, 'if-none-match': entityTags }, { requiredKeys: [] })

const idChoice: Arbitrary<IdChoice> = fc
  .oneof(
    { weight: 8, arbitrary: fc.nat(1_000) },
    { weight: 1, arbitrary: fc.uuid() },
    { weight: 1, arbitrary: fc.stringMatching(/^[^/?#\s\p{C}]{1,30}$/u).map(encodeURIComponent) },
  )
  .map(pick => ({ pick }))

function queryArbitrary(fields: [name: string, schema: JsonSchema][]): Arbitrary<Record<string, string>> {
  const valid = fields.map(([name, schema]): [string, Arbitrary<string>] => [
    name,
    fc.oneof(
      { weight: 4, arbitrary: queryValue(name, schema) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    ),
  ])
  const known = fc.record(Object.fromEntries(valid), { requiredKeys: [] })
  return fc
    .tuple(
      known as Arbitrary<Record<string, string>>,
      fc.dictionary(fc.string(), fc.string(), { maxKeys: 1 }),
      fc.nat(9),
    )
    .map(([some, odd, dice]) => (dice === 0 ? { ...some, ...odd } : some))
}

function queryValue(name: string, schema: JsonSchema): Arbitrary<string> {
  if (name === 'limit') return fc.integer({ min: 1, max: 100 }).map(String)
  if (name === 'status') return fc.constantFrom('PLACED', 'CANCELLED,DELIVERED', 'PREPARING')
  if (schema.format === 'date-time') return fc.date({ noInvalidDate: true }).map(date => date.toISOString())
  if (schema.format === 'uuid') return fc.uuid()
  return fc.string({ maxLength: MAX_TEXT_LENGTH })
}

/** Generates valid bodies, bodies with one value replaced, removed or added, and arbitrary JSON. */
function bodyArbitrary(document: object, schema: JsonSchema): Arbitrary<unknown> {
  const valid = valueArbitrary(document, schema)
  const mutated = fc
    .tuple(valid, fc.nat(100), fc.oneof(fc.jsonValue(), fc.constant(undefined)), fc.string())
    .map(([body, which, value, name]) => mutate(body, which, value, name))
  return fc.oneof(
    { weight: 6, arbitrary: valid },
    { weight: 3, arbitrary: mutated },
    { weight: 1, arbitrary: fc.jsonValue() },
  )
}

function mutate(body: unknown, which: number, value: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null) return value
  const keys = Object.keys(body)
  const key = which % 5 === 0 ? name : (keys[which % Math.max(1, keys.length)] ?? name)
  return { ...body, [key]: value }
}

function valueArbitrary(document: object, reference: JsonSchema, name = ''): Arbitrary<unknown> {
  const schema = resolve(document, reference)
  const { type = 'string' } = schema
  if (Array.isArray(type))
    return fc.oneof(...type.map(each => valueArbitrary(document, { ...schema, type: each }, name)))
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(each => valueArbitrary(document, each, name)))
  switch (type) {
    case 'object':
      return objectArbitrary(document, schema)
    case 'array':
      return fc.array(valueArbitrary(document, schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? MAX_LINE_COUNT, MAX_LINE_COUNT),
      })
    case 'integer':
      return integerArbitrary(schema)
    case 'number':
      return fc.integer({ min: 0, max: 100_000 }).map(cents => cents / 100)
    case 'boolean':
      return fc.oneof(
        { weight: 9, arbitrary: fc.constant(true) },
        { weight: 1, arbitrary: fc.constant(false) },
      )
    case 'null':
      return fc.constant(null)
    default:
      return textArbitrary(schema, name)
  }
}

/** Generates the whole range, but mostly small values, which more operations accept. */
function integerArbitrary({ minimum = 0, maximum = 1_000 }: JsonSchema): Arbitrary<number> {
  return fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: minimum, max: Math.min(maximum, minimum + 20) }) },
    { weight: 1, arbitrary: fc.integer({ min: minimum, max: maximum }) },
  )
}

function objectArbitrary(
  document: object,
  { properties = {}, required = [] }: JsonSchema,
): Arbitrary<unknown> {
  const fields = Object.entries(properties).map(([name, property]) => [
    name,
    valueArbitrary(document, property, name),
  ])
  return fc.record(Object.fromEntries(fields) as Record<string, Arbitrary<unknown>>, {
    requiredKeys: required,
  })
}

function textArbitrary(
  { format, pattern, maxLength = MAX_TEXT_LENGTH }: JsonSchema,
  name: string,
): Arbitrary<unknown> {
  if (format === 'uuid') return idChoice
  if (name === 'price') return fc.tuple(fc.nat(10_000), fc.nat(99)).map(([whole, part]) => `${whole}.${part}`)
  if (pattern === '^[A-Z]{3}$') return fc.constantFrom('EUR', 'JPY', 'KWD', 'USD', 'ZZZ')
  if (name === 'time_zone') return fc.constantFrom('Europe/Rome', 'Asia/Kolkata', 'UTC', 'Mars/Base')
  // Most binary strings are refused, because they have control characters.
  const units = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('grapheme', 'grapheme-ascii') },
    { weight: 1, arbitrary: fc.constant('binary') },
  )
  return units.chain(unit => fc.string({ unit, maxLength: Math.min(maxLength, MAX_TEXT_LENGTH) }))
}

function resolve(document: object, schema: JsonSchema): JsonSchema {
  if (!schema.$ref) return schema
  const found = schema.$ref
    .split('/')
    .slice(1)
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], document)
  return resolve(document, found as JsonSchema)
}
