import { AsyncLocalStorage } from 'node:async_hooks'
import { type Logger, pino } from 'pino'

export type { Logger }

/** Fields of every line that is logged inside {@link withLogContext}. */
export type LogContext = Readonly<Record<string, unknown>>

const context = new AsyncLocalStorage<LogContext>()

/** Runs `work`. Each line that it logs, also after an await, includes `fields`. */
export function withLogContext<T>(fields: LogContext, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work)
}

/** Error fields in which Postgres and TypeORM put values, which may include an idempotency key. */
const VALUE_FIELDS = ['detail', 'where', 'query', 'parameters', 'internalQuery', 'driverError']

/** Returns the loggable fields of an error: type, message, stack, code and names, but no values. */
function errorWithoutValues(error: Error): object {
  const fields = Object.entries(pino.stdSerializers.err(error))
  return Object.fromEntries(fields.filter(([name]) => !VALUE_FIELDS.includes(name)))
}

const TIME_LENGTH = '"time":"2026-11-28T04:51:40.715Z"'.length
/** The end of a line of pino, whose message is last. */
const MESSAGE = /^,"msg":"(?:[^"\\]|\\.)*"\}\n$/s

/**
 * Moves time, level and message to the beginning of a line, where a reader sees them. Slices,
 * because a regular expression over the line took a microsecond.
 */
export function withMessageFirst(line: string): string {
  const timeAt = line.indexOf('"time":')
  const fieldsAt = timeAt + TIME_LENGTH
  const messageAt = line.lastIndexOf(',"msg":"')
  const message = line.slice(messageAt)
  if (messageAt < fieldsAt || !MESSAGE.test(message)) return line
  const [level, time] = [line.slice(1, timeAt - 1), line.slice(timeAt, fieldsAt)]
  return `{${time},${level}${message.slice(0, -2)}${line.slice(fieldsAt, messageAt)}}\n`
}

/** Returns a logger that writes to stdout, in JSON lines or in lines for people. */
export async function createLogger(level: string, format: 'json' | 'pretty'): Promise<Logger> {
  const options = {
    level,
    base: {},
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorWithoutValues },
    mixin: () => context.getStore() ?? {},
  }
  if (format === 'json') return pino({ ...options, hooks: { streamWrite: withMessageFirst } })
  const [{ default: pretty }, { logLine }] = await Promise.all([
    import('pino-pretty'),
    import('./log-line.ts'),
  ])
  return pino(
    options,
    pretty({
      sync: true,
      colorize: process.stdout.isTTY,
      // The line has all that is shown.
      ignore: 'time,level,pid',
      hideObject: true,
      messageFormat: (fields, _key, _level, { colors }) => logLine(fields, colors),
    }),
  )
}
