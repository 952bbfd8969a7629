import { Database } from '../../src/db/database.ts'
import { inventoryEntities } from '../../src/inventory/inventory-entities.ts'
import { type Config, parseConfig } from '../../src/platform/config.ts'
import type { Logger } from '../../src/platform/log.ts'
import { startApi } from '../../src/processes/api.ts'
import { startDispatcher } from '../../src/processes/dispatcher.ts'
import type { Service } from '../../src/processes/service.ts'
import { startWorker } from '../../src/processes/worker.ts'
import { ApiClient } from './api-client.ts'
import { quiet } from './log.ts'
import { cloneDatabase } from './postgres.ts'

export const testConfig: Config = parseConfig({ PORT: '0' })

/** A database of its own, and a pool on it to look and act with. */
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

export async function openPool(url: string): Promise<Database> {
  return await Database.open({
    url,
    applicationName: 'test',
    poolCount: 10,
    timeoutMs: 10_000,
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

type Role = 'api' | 'dispatcher' | 'worker'

/** The named roles, running for real on a database of their own. */
export async function startSystem(
  roles: Role[] = ['api', 'dispatcher', 'worker'],
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
    const api = await startApi(config, url, log)
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
