import { z } from 'zod'
import { hasSupportedYear, MAX_YEAR, MIN_YEAR } from '../platform/has-supported-year.ts'
import { MAX_PRICE_MINOR } from '../platform/money.ts'

/** Fields shared by request and response schemas. */

/** A UUID, converted to lower case. */
export const id = (what: string, example: string) =>
  z
    .uuid({ error: 'must be a UUID' })
    .toLowerCase()
    .meta({ description: `Id of the ${what}`, example })

/** Characters that no display shows: control, format, space, combining and filler characters. */
const VISIBLE = /[^\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u
const CONTROL = {
  'one line': {
    pattern: /[\p{Cc}\u2028\u2029]/u,
    error: 'must not contain control characters such as line breaks',
  },
  'several lines': {
    pattern: /(?![\t\n\r])\p{Cc}/u,
    error: 'must not contain control characters except line breaks and tabs',
  },
} as const

/**
 * Text that a person writes or reads. Surrounding whitespace is removed. At least one character
 * must be visible. Control characters garble displays, and Postgres cannot store NUL and lone
 * surrogates.
 * @param max length in code points, as in JSON Schema
 */
export function text(
  max: number,
  { description, example }: { description: string; example: string },
  lines: keyof typeof CONTROL = 'one line',
) {
  const { pattern, error } = CONTROL[lines]
  return z
    .string({ error: 'must be a string' })
    .trim()
    .min(1, { error: 'must not be empty', abort: true })
    .refine(value => Array.from(value).length <= max, `must not be longer than ${max} characters`)
    .refine(value => value.isWellFormed(), { error: 'must not contain a lone surrogate', abort: true })
    .refine(value => !pattern.test(value), { error, abort: true })
    .refine(value => VISIBLE.test(value), 'must have a visible character')
    .meta({
      maxLength: max,
      description: `${description}. Whitespace at both ends is removed`,
      example,
    })
}

/** A property of a request that may be absent. `null` counts as absent. */
export const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform(value => value ?? undefined)

/** The end of a time whose `+` of the offset was read as a space, as a form encodes one. */
const SPACE_BEFORE_OFFSET = / \d{2}:?\d{2}$/

/** A time in a query, from year `min` to year `max` in UTC. */
export const queryTime = (min = MIN_YEAR, max = MAX_YEAR) =>
  z.iso
    .datetime({
      offset: true,
      abort: true,
      error: ({ input }) =>
        typeof input === 'string' && input.includes('T') && SPACE_BEFORE_OFFSET.test(input)
          ? 'has a space where "+" is needed: write it as "%2B" in a URL'
          : 'must be a time like 2026-11-22T18:30:00Z',
    })
    .refine(time => hasSupportedYear(new Date(time), min, max), {
      error: `must be in a year from ${min} to ${max}`,
      abort: true,
    })

/** A time in a body. */
export const inputTime = z.iso
  .datetime({ offset: true, abort: true, error: 'must be a time like 2026-11-22T18:30:00Z' })
  .refine(time => hasSupportedYear(new Date(time), MIN_YEAR, MAX_YEAR), {
    error: `must be in a year from ${MIN_YEAR} to ${MAX_YEAR}`,
    abort: true,
  })

/** A whole number from `min` to `max`. */
export const wholeNumber = (min: number, max: number) =>
  z
    .number({ error: 'must be a number' })
    .min(min, { error: `must not be less than ${min}`, abort: true })
    .max(max, { error: `must not be more than ${max}`, abort: true })
    .int('must be a whole number')

/** The price of the demo item in the examples, so that the example of a change keeps it. */
const PRICE_EXAMPLE = '9.50'
const NOT_AN_AMOUNT = `must be an amount like "12.50" or 12.5, not negative, at most ${MAX_PRICE_MINOR} minor units`

/**
 * An amount in a request, with up to 4 decimals: the widest limits that a currency has. The limits
 * of the currency of the restaurant are validated later.
 */
export const moneyInput = z
  .union(
    [
      z
        .string()
        .regex(/^\d{1,10}(\.\d{1,4})?$/, NOT_AN_AMOUNT)
        .meta({ example: PRICE_EXAMPLE }),
      z.number().min(0, NOT_AN_AMOUNT).max(MAX_PRICE_MINOR, NOT_AN_AMOUNT),
    ],
    { error: NOT_AN_AMOUNT },
  )
  .meta({
    description:
      'Amount as a decimal string, or a number, with no more decimals than the currency has. The maximum is 1000000000 minor units: 10000000.00 in EUR, 1000000000 in JPY, 1000000.000 in KWD.',
    example: PRICE_EXAMPLE,
  })

/** An amount in a response. */
export const moneyOutput = (description: string, example: string) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .meta({ description, example })

export const currency = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .meta({ description: 'ISO 4217 code', example: 'EUR' })

export const timestamp = (description: string) =>
  z.iso.datetime().meta({ description, example: '2026-11-22T18:30:00.000Z' })
