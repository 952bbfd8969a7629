import { Command, InvalidArgumentError } from '@commander-js/extra-typings'
import { hasSupportedYear } from '../../src/platform/has-supported-year.ts'
import { ScriptError } from './script-error.ts'

/**
 * Returns a command line of commander with the conventions of all scripts: the help ends with an
 * example, and a wrong argument throws a CommanderError, which `runScript` prints in one line.
 * @param name what the user types, e.g. `npm run seed --`; for a subcommand, its name alone
 */
export function commandLine(name: string, description: string, example: string) {
  return new Command(name)
    .description(description)
    .summary(description.split('\n', 1)[0] ?? '')
    .addHelpText('after', `\nExample:\n  ${example}`)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
}

/** Parses a whole number. */
export function wholeNumber(min: number, max: number): (value: string) => number {
  return inRange(/^\d{1,15}$/, min, max, `Expected a whole number from ${min} to ${max}.`)
}

/** Parses a number with or without decimals, but without an exponent. */
export function decimalNumber(min: number, max: number): (value: string) => number {
  return inRange(/^\d+(\.\d+)?$/, min, max, `Expected a number from ${min} to ${max}.`)
}

function inRange(format: RegExp, min: number, max: number, expected: string): (value: string) => number {
  return value => {
    const number = format.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(expected)
  }
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/**
 * Parses a duration like `90s`, `5m` or `1500ms` into milliseconds. The default unit is seconds.
 */
export function duration(minMs: number, maxMs: number): (value: string) => number {
  return value => {
    const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value) ?? []
    const ms = Number(number) * (UNIT_MS[unit] ?? 0)
    if (ms >= minMs && ms <= maxMs) return ms
    throw new InvalidArgumentError(
      `Expected a duration like 90s or 5m, from ${minMs} ms to ${maxMs / 60_000} minutes.`,
    )
  }
}

/** Parses an http or https address, which may have a path, and removes slashes at its end. */
export function baseUrl(value: string): string {
  const url = URL.parse(value)
  if (url && /^https?:$/.test(url.protocol) && !url.search && !url.hash)
    return url.origin + url.pathname.replace(/\/+$/, '')
  throw new InvalidArgumentError('Expected an address like http://127.0.0.1:8000.')
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/** Parses an id, in lowercase. */
export function uuid(value: string): string {
  if (UUID.test(value)) return value.toLowerCase()
  throw new InvalidArgumentError('Expected an id (a UUID).')
}

/** Collects the distinct ids of an option that may be repeated. */
export function uuids(value: string, previous: readonly string[] = []): string[] {
  return [...new Set([...previous, uuid(value)])]
}

/** Accepts any text that is not empty. */
export function nonEmpty(value: string): string {
  if (value !== '') return value
  throw new InvalidArgumentError('Expected a text that is not empty.')
}

/** Parses a time in RFC 3339 format. */
export function time(value: string): Date {
  const date = new Date(value)
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(value) && hasSupportedYear(date)) return date
  throw new InvalidArgumentError('Expected a time like 2026-11-22T18:00:00Z.')
}

/** Parses names separated by commas. */
export function names(value: string): string[] {
  return nonEmpty(value).split(',')
}

/**
 * Returns the items that an option `--only` selects, or all items without the option.
 * @throws ScriptError for an unknown name
 */
export function chosen<Item extends { name: string }>(
  only: readonly string[] | undefined,
  items: readonly Item[],
): Item[] {
  const known = items.map(({ name }) => name)
  const unknown = only?.find(name => !known.includes(name))
  if (unknown !== undefined)
    throw new ScriptError(`--only: unknown name '${unknown}'. Expected some of ${known.join(', ')}.`)
  return items.filter(({ name }) => only?.includes(name) ?? true)
}
