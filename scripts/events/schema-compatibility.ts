import { isDeepStrictEqual } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { JsonSchema } from '../../src/events/event-schemas.ts'

export interface Finding {
  /** JSON Pointer into a value; `*` is any element of a list */
  at: string
  /** e.g. `may be null` */
  what: string
}

export interface ExcessOptions {
  /** reports a property that `whole` has and `part` lacks, also if it is optional */
  missing: 'counts' | 'counts if required'
}

const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)

/**
 * Returns what `part` allows and `whole` does not. A property that a schema does not name is
 * assumed to be absent: it is reported only if `whole` forbids other properties. A keyword that
 * cannot be compared must be equal in both.
 */
export function excess(part: JsonSchema, whole: JsonSchema, options: ExcessOptions, at = ''): Finding[] {
  const others = alternatives(whole)
  return alternatives(part).flatMap(one => {
    const findings = others.map(other => excessOfOne(one, other, options, at))
    // The closest alternative gives the most useful message.
    return findings.reduce((least, its) => (its.length < least.length ? its : least))
  })
}

/** Splits a schema with several types or `anyOf` into schemas of one type. */
function alternatives(schema: JsonSchema): JsonSchema[] {
  const { anyOf, type, ...rest } = schema
  if (Array.isArray(anyOf) && type === undefined)
    return anyOf.flatMap((one: JsonSchema) => alternatives({ ...rest, ...one }))
  return Array.isArray(type) ? type.map(one => ({ ...rest, type: one })) : [schema]
}

function excessOfOne(part: JsonSchema, whole: JsonSchema, options: ExcessOptions, at: string): Finding[] {
  const values = valuesOf(part)
  if (values)
    return values
      .filter(value => !ajv.validate(whole, value))
      .map(value => ({ at, what: `may be ${JSON.stringify(value)}` }))
  if (!isOfType(part.type, whole.type)) return [{ at, what: `may be ${nameOf(part.type)}` }]
  return [
    ...excessOfValues(part, whole).map(what => ({ at, what })),
    ...excessOfItems(part, whole, options, at),
    ...excessOfProperties(part, whole, options, at),
  ]
}

function valuesOf(schema: JsonSchema): unknown[] | undefined {
  return 'const' in schema ? [schema.const] : schema.enum
}

function isOfType(part: JsonSchema['type'], whole: JsonSchema['type']): boolean {
  return whole === undefined || part === whole || (part === 'integer' && whole === 'number')
}

function nameOf(type: JsonSchema['type']): string {
  if (type === undefined) return 'of any type'
  if (type === 'null') return 'null'
  return `${/^[aio]/.test(String(type)) ? 'an' : 'a'} ${String(type)}`
}

/** Keywords of lower and upper bounds, with their defaults. */
const floors = {
  minimum: -Infinity,
  exclusiveMinimum: -Infinity,
  minLength: 0,
  minItems: 0,
  minProperties: 0,
}
const ceilings = {
  maximum: Infinity,
  exclusiveMaximum: Infinity,
  maxLength: Infinity,
  maxItems: Infinity,
  maxProperties: Infinity,
}
const annotations = [
  'title',
  'description',
  'examples',
  'default',
  'deprecated',
  '$comment',
  '$id',
  '$schema',
]
const structure = ['type', 'const', 'enum', 'properties', 'required', 'additionalProperties', 'items']
const comparable = new Set([
  ...Object.keys({ ...floors, ...ceilings }),
  ...annotations,
  ...structure,
  'format',
  'pattern',
])

function excessOfValues(part: JsonSchema, whole: JsonSchema): string[] {
  const values = valuesOf(whole)
  const { format, pattern } = whole
  return [
    ...(values ? [`may be other than ${values.map(value => JSON.stringify(value)).join(', ')}`] : []),
    ...(format !== undefined && part.format !== format ? [`may be no ${format}`] : []),
    ...(pattern !== undefined && part.pattern !== pattern ? [`may not match ${pattern}`] : []),
    ...beyondLimits(inclusive(part), inclusive(whole)),
    ...Object.keys({ ...part, ...whole })
      .filter(keyword => !comparable.has(keyword) && !isDeepStrictEqual(part[keyword], whole[keyword]))
      .map(keyword => `may be other in ${keyword}, which cannot be compared`),
  ]
}

function beyondLimits(part: JsonSchema, whole: JsonSchema): string[] {
  const limit = (schema: JsonSchema, [keyword, none]: [string, number]) =>
    (schema[keyword] as number | undefined) ?? none
  const below = Object.entries(floors).filter(floor => limit(part, floor) < limit(whole, floor))
  const above = Object.entries(ceilings).filter(ceiling => limit(part, ceiling) > limit(whole, ceiling))
  return [...below, ...above].map(([keyword]) => `may be beyond ${keyword} ${String(whole[keyword])}`)
}

/** For integers, more than 0 means at least 1. */
function inclusive(schema: JsonSchema): JsonSchema {
  const { exclusiveMinimum, exclusiveMaximum, ...rest } = schema
  if (schema.type !== 'integer') return schema
  return {
    ...(typeof exclusiveMinimum === 'number' ? { minimum: exclusiveMinimum + 1 } : {}),
    ...(typeof exclusiveMaximum === 'number' ? { maximum: exclusiveMaximum - 1 } : {}),
    ...rest,
  }
}

function excessOfItems(part: JsonSchema, whole: JsonSchema, options: ExcessOptions, at: string): Finding[] {
  return isSchema(whole.items)
    ? excess(isSchema(part.items) ? part.items : {}, whole.items, options, `${at}/*`)
    : []
}

function excessOfProperties(
  part: JsonSchema,
  whole: JsonSchema,
  options: ExcessOptions,
  at: string,
): Finding[] {
  const { properties: ours = {}, additionalProperties: more } = part
  const { properties: theirs = {}, additionalProperties: others } = whole
  const required = (schema: JsonSchema, name: string) => schema.required?.includes(name) ?? false
  const shared = Object.entries(theirs).flatMap(([name, schema]) => {
    const its = ours[name]
    const mayBeMissing = required(whole, name) && !required(part, name)
    const isGone = its === undefined && options.missing === 'counts'
    return [
      ...(mayBeMissing || isGone ? [{ at: `${at}/${name}`, what: 'may be missing' }] : []),
      ...(its ? excess(its, schema, options, `${at}/${name}`) : []),
    ]
  })
  const beyond = Object.entries(ours).filter(([name]) => !(name in theirs))
  const added = beyond.flatMap(([name, schema]) => {
    if (others === false) return [{ at: `${at}/${name}`, what: 'may be there' }]
    return isSchema(others) ? excess(schema, others, options, `${at}/${name}`) : []
  })
  return [...shared, ...added, ...excessOfOthers(more, others, options, at)]
}

/** Properties of any name. */
function excessOfOthers(part: unknown, whole: unknown, options: ExcessOptions, at: string): Finding[] {
  if (!isSchema(part)) return []
  if (whole === false) return [{ at: `${at}/*`, what: 'may be there' }]
  return isSchema(whole) ? excess(part, whole, options, `${at}/*`) : []
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null
}
