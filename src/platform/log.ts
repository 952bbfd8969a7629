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

/** Returns a logger that writes JSON lines to stdout, or readable lines if stdout is a terminal. */
export async function createLogger(level: string): Promise<Logger> {
  const options = {
    level,
    base: {},
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorWithoutValues },
    mixin: () => context.getStore() ?? {},
  }
  if (!process.stdout.isTTY) return pino(options)
  const { default: pretty } = await import('pino-pretty')
  return pino(
    options,
    pretty({
      sync: true,
      colorize: true,
      translateTime: 'HH:MM:ss.l',
      singleLine: true,
      ignore: 'pid,hostname',
    }),
  )
}
