import { AsyncLocalStorage } from 'node:async_hooks'
import { type Logger, pino } from 'pino'

export type { Logger }

/** Fields that every line logged inside {@link withLogContext} carries. */
export type LogContext = Readonly<Record<string, unknown>>

const context = new AsyncLocalStorage<LogContext>()

/** Runs `work`; each log line written meanwhile, also after an await, carries `fields`. */
export function withLogContext<T>(fields: LogContext, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work)
}

/** Where Postgres and TypeORM show values of rows and parameters: an idempotency key may be among them. */
const VALUE_FIELDS = ['detail', 'where', 'query', 'parameters', 'internalQuery', 'driverError']

/** An error as it is logged: type, message, stack, code and names, and no values. */
function errorWithoutValues(error: Error): object {
  const fields = Object.entries(pino.stdSerializers.err(error))
  return Object.fromEntries(fields.filter(([name]) => !VALUE_FIELDS.includes(name)))
}

/**
 * One JSON line an event on stdout; on a terminal the same, pretty.
 */
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
