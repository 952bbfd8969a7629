import { type Config, ConfigurationError, isRunByNpm, loadConfig, logFormatOf } from './platform/config.ts'
import { armFailpoints } from './platform/failpoints.ts'
import { createLogger, type Logger } from './platform/log.ts'
import { stopOnSignal } from './processes/lifecycle.ts'
import { lowerPriority } from './processes/lower-priority.ts'
import { printFailure } from './processes/print-failure.ts'
import type { Service } from './processes/service.ts'
import { startTraced } from './processes/start-tracing.ts'

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

function databaseUrl({ DATABASE_URL }: Config): string {
  if (!DATABASE_URL)
    throw new ConfigurationError(
      'DATABASE_URL: is required to run a single role; `npm start` runs all of them without it',
    )
  return DATABASE_URL
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
  const lifecycle = stopOnSignal(
    starting,
    { drainMs: config.DRAIN_DELAY_MS, budgetMs: config.SHUTDOWN_TIMEOUT_MS, endsWithParent: isRunByNpm() },
    log,
  )
  const service = await starting
  if (!service) process.exit(0)
  log.info({ pid: process.pid }, `${role} is ready`)
  try {
    await service.failed
  } catch (error) {
    log.error('a part of this process has failed: stopping the rest')
    await lifecycle.stopAfterFailure()
    throw error
  }
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
    return await startTraced<Service>(config, role, log, () => roles[role as keyof typeof roles](config, log))
  }
  throw new ConfigurationError(`unknown role ${role}: use ${Object.keys(roles).join(', ')} or migrate`)
}

try {
  await main(process.argv[2] ?? 'all')
} catch (error) {
  printFailure(error)
  process.exit(1)
}
