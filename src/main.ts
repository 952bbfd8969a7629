import { type Config, ConfigurationError, isRunByNpm, loadConfig, logFormatOf } from './platform/config.ts'
import { armFailpoints } from './platform/failpoints.ts'
import { createLogger, type Logger } from './platform/log.ts'
import { stopOnSignal } from './processes/lifecycle.ts'
import { lowerPriority } from './processes/lower-priority.ts'
import { printFailure } from './processes/print-failure.ts'
import type { Service } from './processes/service.ts'
import { startTraced } from './processes/start-tracing.ts'

type Start = (config: Config, log: Logger) => Promise<Service>

/** Loads each role. A role imports only the modules that it needs, which saves memory. */
const roles = {
  all: async () => {
    const { startAll } = await import('./processes/all.ts')
    const { printBanner } = await import('./processes/banner.ts')
    return async (config, log) => {
      const all = await startAll(config, log)
      printBanner(all, config)
      return all
    }
  },
  api: async () => {
    const { startApi } = await import('./processes/api.ts')
    return async (config, log) => {
      const api = await startApi(config, databaseUrl(config), log)
      log.info({ url: api.url }, 'the API is listening')
      return api
    }
  },
  dispatcher: async () => {
    lowerPriority()
    const { startDispatcher } = await import('./processes/dispatcher.ts')
    return (config, log) => startDispatcher(config, databaseUrl(config), log)
  },
  worker: async () => {
    lowerPriority()
    const { startWorker } = await import('./processes/worker.ts')
    return (config, log) => startWorker(config, databaseUrl(config), log)
  },
} satisfies Record<string, () => Promise<Start>>

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
  const stopping = new AbortController()
  const starting = start(role, config, log, stopping.signal)
  const lifecycle = stopOnSignal(
    starting,
    {
      onStop: () => stopping.abort(),
      drainMs: config.DRAIN_DELAY_MS,
      budgetMs: config.SHUTDOWN_TIMEOUT_MS,
      endsWithParent: isRunByNpm(),
    },
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

/**
 * Starts a role, or migrates. A role alone waits for the migrations of its version.
 * @param stopping ends that waiting
 * @returns undefined when nothing runs: after a migration, or when the waiting was ended
 */
async function start(
  role: string,
  config: Config,
  log: Logger,
  stopping: AbortSignal,
): Promise<Service | undefined> {
  if (role === 'migrate') {
    const { migrate } = await import('./processes/migrate.ts')
    const { waitForDatabase } = await import('./processes/wait-for-database.ts')
    await waitForDatabase(config, log, () => migrate(databaseUrl(config), log, config))
    return undefined
  }
  if (!isRole(role))
    throw new ConfigurationError(`unknown role ${role}: use ${Object.keys(roles).join(', ')} or migrate`)
  const begin: Start = await roles[role]()
  if (role !== 'all') {
    const { untilMigrated } = await import('./processes/until-migrated.ts')
    if (!(await untilMigrated(config, databaseUrl(config), role, log, stopping))) return undefined
  }
  return await startTraced(config, role, log, () => begin(config, log))
}

function isRole(name: string): name is keyof typeof roles {
  return Object.hasOwn(roles, name)
}

try {
  await main(process.argv[2] ?? 'all')
} catch (error) {
  printFailure(error)
  process.exit(1)
}
