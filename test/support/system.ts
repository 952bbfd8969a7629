import { Database, type PoolKind } from '../../src/db/database.ts'
import { inventoryEntities } from '../../src/inventory/inventory-entities.ts'
import { type Config, parseConfig } from '../../src/platform/config.ts'
import type { Logger } from '../../src/platform/log.ts'
import type { Service } from '../../src/processes/service.ts'
import { ApiClient } from './api-client.ts'
import { quiet } from './log.ts'
import { cloneDatabase } from './postgres.ts'
import { asRole, processRoles, type Role } from './role-logins.ts'
import { startApi, startDispatcher, startWorker } from './start-role.ts'

export const testConfig: Config = parseConfig({ PORT: '0' })

/** Creates a migrated database, and opens a pool on it as the owner. */
export async function openTestDatabase(): Promise<{
  url: string
  database: Database
  close: () => Promise<void>
}> {
  const { url, drop } = await cloneDatabase()
  const database = await openPool(url)
  return {
    url,
    database,
    close: async () => {
      await database.close()
      await drop()
    },
  }
}

export async function openPool(url: string, kind?: PoolKind): Promise<Database> {
  return await Database.open({
    url,
    applicationName: 'test',
    poolCount: 10,
    timeoutMs: 10_000,
    kind,
    entities: inventoryEntities,
    log: quiet,
  })
}

export interface TestSystem {
  api: ApiClient
  database: Database
  url: string
  stop: () => Promise<void>
}

/**
 * Starts the given roles on a new database, each with the login of its role. With `operations`, the
 * API makes the changes of operators. The returned pool belongs to the owner.
 */
export async function startSystem(
  roles: readonly Role[] = processRoles,
  log: Logger = quiet,
  overrides: Partial<Config> = {},
): Promise<TestSystem> {
  const config = { ...testConfig, ...overrides }
  const { url, database, close } = await openTestDatabase()
  const services: Service[] = []
  let baseUrl = ''
  if (roles.includes('worker')) services.push(await startWorker(config, url, log))
  if (roles.includes('dispatcher')) services.push(await startDispatcher(config, url, log))
  if (roles.includes('api')) {
    const operated = roles.includes('operations')
      ? { ...config, OPERATIONS_DATABASE_URL: asRole('operations', url) }
      : config
    const api = await startApi(operated, url, log)
    baseUrl = api.url
    services.push(api)
  }
  return {
    api: new ApiClient(baseUrl),
    database,
    url,
    stop: async () => {
      for (const service of services.toReversed()) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
      await close()
    },
  }
}
