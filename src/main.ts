import { constants, getPriority, setPriority } from 'node:os'
import { NotMigrated } from './db/migrations.ts'
import { unavailableSentence } from './db/unavailable-reason.ts'
import { type Config, ConfigurationError, isRunByNpm, loadConfig, logFormatOf } from './platform/config.ts'
import { DatabaseUnavailable } from './platform/errors.ts'
import { armFailpoints } from './platform/failpoints.ts'
import { createLogger, type Logger } from './platform/log.ts'
import type { Tracing } from './platform/trace-sdk.ts'
import { stopOnSignal } from './processes/lifecycle.ts'
import type { Service } from './processes/service.ts'
import { startTracing } from './processes/start-tracing.ts'

/** Starts each role. A role imports only the modules that it needs, which saves memory. */
const roles = {
  all: async (config: Config, log: Logger) => {
    const { startAll } = await import('./processes/all.ts')
    const { printBanner } = await import('./processes/banner.ts')
    const all = await startAll(config, log)
    printBanner(all, config)
    return all
  },
  api: async (config: Config, log: Logger) => {
    const { startApi } = await import('./processes/api.ts')
    const api = await startApi(config, databaseUrl(config), log)
    log.info({ url: api.url }, 'the API is listening')
    return api
  },
  dispatcher: async (config: Config, log: Logger) => {
    lowerPriority()
    const { startDispatcher } = await import('./processes/dispatcher.ts')
    return await startDispatcher(config, databaseUrl(config), log)
  },
  worker: async (config: Config, log: Logger) => {
    lowerPriority()
    const { startWorker } = await import('./processes/worker.ts')
    return await startWorker(config, databaseUrl(config), log)
  },
} satisfies Record<string, (config: Config, log: Logger) => Promise<Service>>

/**
 * Lowers the priority of this process below the API's: on a busy machine the asynchronous pipeline
 * waits rather than a client. A lower priority stays, because raising it needs a privilege.
 */
function lowerPriority(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority
  if (getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL)
}

function databaseUrl({ DATABASE_URL }: Config): string {
  if (!DATABASE_URL)
    throw new ConfigurationError(
      'DATABASE_URL: is required to run a single role; `npm start` runs all of them without it',
    )
  return DATABASE_URL
}

/** Returns one line for an error that the user can fix, or undefined for a bug. */
function userMessage(error: unknown): string | undefined {
  if (error instanceof DatabaseUnavailable) return unavailableSentence(error)
  if (error instanceof ConfigurationError || error instanceof NotMigrated)
    return `${error.message}${causeOf(error)}`
  return undefined
}

/** Maximum duration of the last export of traces. */
const LAST_EXPORT_TIMEOUT_MS = 800

function tracedUntilStopped(service: Service, tracing: Tracing): Service {
  return {
    ...service,
    stop: async budgetMs => {
      await service.stop(budgetMs)
      await tracing.stop(LAST_EXPORT_TIMEOUT_MS)
    },
  }
}

async function main(role: string): Promise<void> {
  const config = loadConfig()
  const root = await createLogger(config.LOG_LEVEL, logFormatOf(config, role, process.stdout.isTTY))
  const log = role === 'all' ? root : root.child({ role })
  if (config.FAILPOINTS !== '') {
    armFailpoints(config.FAILPOINTS)
    log.warn({ failpoints: config.FAILPOINTS }, 'failpoints are armed: this process fails on purpose')
  }
  const starting = start(role, config, log)
  stopOnSignal(
    starting,
    { drainMs: config.DRAIN_DELAY_MS, budgetMs: config.SHUTDOWN_TIMEOUT_MS, endsWithParent: isRunByNpm() },
    log,
  )
  const service = await starting
  if (!service) process.exit(0)
  log.info({ pid: process.pid }, `${role} is ready`)
  await service.failed
}

/** Starts a role, or migrates. @returns undefined after a migration, when nothing runs */
async function start(role: string, config: Config, log: Logger): Promise<Service | undefined> {
  if (role === 'migrate') {
    const { migrate } = await import('./processes/migrate.ts')
    const { waitForDatabase } = await import('./processes/wait-for-database.ts')
    await waitForDatabase(config, log, () => migrate(databaseUrl(config), log, config))
    return undefined
  }
  if (Object.hasOwn(roles, role)) {
    const tracing = await startTracing(config, role, log)
    const service = await roles[role as keyof typeof roles](config, log)
    return tracing ? tracedUntilStopped(service, tracing) : service
  }
  throw new ConfigurationError(`unknown role ${role}: use ${Object.keys(roles).join(', ')} or migrate`)
}

try {
  await main(process.argv[2] ?? 'all')
} catch (error) {
  const message = userMessage(error)
  console.error(message === undefined ? error : `comanda: ${message}`)
  process.exit(1)
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? ` (${error.cause.message.split('\n', 1)[0]})` : ''
}
