import { parseArgs } from 'node:util'
import { ScriptError } from './script-error.ts'

/** One option of a command line. */
export interface Option<Value> {
  /** what stands for the value in the help, e.g. `N`; empty for a flag, which takes none */
  argument: string
  help: string
  /** what a value has to be, e.g. `a whole number from 1 to 100` */
  expects: string
  fallback: Value
  /** @returns undefined when a value cannot be used; `given` has at least one */
  parse(given: readonly string[]): Value | undefined
}

export interface Command {
  /** as it is typed, e.g. `npm run seed --` */
  name: string
  /** what it does, in a line or two */
  summary: string
  example: string
}

type Options = Readonly<Record<string, Option<unknown>>>
export type Values<Spec extends Options> = {
  [Name in keyof Spec]: Spec[Name] extends Option<infer Value> ? Value : never
}

/**
 * Reads the options of a command.
 * @returns null when the help was asked for: it has been printed
 * @throws ScriptError naming the option that is wrong
 */
export function readOptions<Spec extends Options>(
  command: Command,
  spec: Spec,
  args: readonly string[],
): Values<Spec> | null {
  const given = parse(command, spec, args)
  if ('help' in given) {
    console.log(helpText(command, spec))
    return null
  }
  const values = Object.entries(spec).map(([name, option]) => [name, valueOf(name, option, given[name])])
  return Object.fromEntries(values) as Values<Spec>
}

function parse(command: Command, spec: Options, args: readonly string[]): Record<string, string[]> {
  const options = Object.fromEntries(
    Object.entries(spec).map(([name, { argument }]) => [
      name,
      { type: argument === '' ? 'boolean' : 'string', multiple: true } as const,
    ]),
  )
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } },
    })
    return values as Record<string, string[]>
  } catch (error) {
    throw new ScriptError(explain(command, error))
  }
}

function explain(command: Command, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const [what = message] = message.split(/\.\s/)
  // npm keeps options that stand before `--` for itself and passes on what is left of them.
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
    return `${what}; npm passes options on only after \`--\`, e.g. ${command.example}`
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE')
    return `${/--\w+/.exec(message)?.[0]} needs a value; \`${command.name} --help\` lists the options`
  return `${what}; \`${command.name} --help\` lists the options`
}

function valueOf(name: string, option: Option<unknown>, given: string[] | undefined): unknown {
  if (given === undefined) return option.fallback
  const value = option.parse(given)
  if (value === undefined)
    throw new ScriptError(`--${name} has to be ${option.expects}, not ${JSON.stringify(given.at(-1))}`)
  return value
}

function helpText({ name, summary, example }: Command, spec: Options): string {
  const rows = Object.entries(spec).map(([option, { argument, help }]) => [
    `--${option} ${argument}`.trimEnd(),
    help,
  ])
  const width = Math.max(...rows.map(([left = '']) => left.length))
  const lines = rows.map(([left = '', right]) => `  ${left.padEnd(width)}  ${right}`)
  return `${summary}\n\nUsage: ${name} [options]\n\n${lines.join('\n')}\n\nExample: ${example}`
}

export function wholeNumber(help: string, fallback: number, min: number, max: number): Option<number> {
  return {
    argument: 'N',
    help: `${help} (${fallback})`,
    expects: `a whole number from ${min} to ${max}`,
    fallback,
    parse: given => {
      const number = /^\d{1,15}$/.test(given.at(-1) ?? '') ? Number(given.at(-1)) : Number.NaN
      return number >= min && number <= max ? number : undefined
    },
  }
}

export function decimalNumber(help: string, fallback: number, min: number, max: number): Option<number> {
  return {
    argument: 'N',
    help: `${help} (${fallback})`,
    expects: `a number from ${min} to ${max}`,
    fallback,
    parse: given => {
      const number = /^\d+(\.\d+)?$/.test(given.at(-1) ?? '') ? Number(given.at(-1)) : Number.NaN
      return number >= min && number <= max ? number : undefined
    },
  }
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** A length of time like `90s`, `5m` or `1500ms`, in ms; a bare number is seconds. */
export function duration(help: string, fallback: string, minMs: number, maxMs: number): Option<number> {
  return {
    argument: 'TIME',
    help: `${help} (${fallback})`,
    expects: `a time like 90s or 5m, from ${minMs} ms to ${maxMs / 60_000} minutes`,
    fallback: parseDuration(fallback) ?? minMs,
    parse: given => {
      const ms = parseDuration(given.at(-1) ?? '')
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined
    },
  }
}

function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  return match ? Number(match[1]) * (UNIT_MS[match[2] ?? 's'] ?? 0) : undefined
}

/** An http or https address without a path; a slash at its end is taken off. */
export function baseUrl(help: string, fallback: string): Option<string> {
  return {
    argument: 'URL',
    help: `${help} (${fallback})`,
    expects: 'an address like http://127.0.0.1:8000',
    fallback,
    parse: given => {
      const url = URL.parse(given.at(-1) ?? '')
      const isBase = url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search
      return isBase ? url.origin : undefined
    },
  }
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/** Ids: the option may be given several times. */
export function ids(help: string): Option<string[]> {
  return {
    argument: 'ID',
    help: `${help}; may be repeated`,
    expects: 'an id (a UUID)',
    fallback: [],
    parse: given => {
      const unique = new Set(given.map(id => id.toLowerCase()))
      return [...unique].every(id => UUID.test(id)) ? [...unique] : undefined
    },
  }
}

/** Any text that is not empty. */
export function text(help: string, fallback: string): Option<string> {
  return {
    argument: 'TEXT',
    help: fallback ? `${help} (${fallback})` : help,
    expects: 'a text',
    fallback,
    parse: given => given.at(-1) || undefined,
  }
}

/** An option without a value: given or not. */
export function flag(help: string): Option<boolean> {
  return { argument: '', help, expects: 'given without a value', fallback: false, parse: () => true }
}

/** A moment, as RFC 3339 has it. */
export function time(help: string): Option<Date | null> {
  return {
    argument: 'TIME',
    help,
    expects: 'a time like 2026-11-22T18:00:00Z',
    fallback: null,
    parse: given => {
      const text = given.at(-1) ?? ''
      const date = new Date(text)
      return /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(date.getTime())
        ? date
        : undefined
    },
  }
}
