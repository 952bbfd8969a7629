import { parseConfig } from '../../src/platform/config.ts'
import { createLogger } from '../../src/platform/log.ts'
import { startApi } from '../../src/processes/api.ts'
import { startDispatcher } from '../../src/processes/dispatcher.ts'
import { migrate } from '../../src/processes/migrate.ts'
import type { Service } from '../../src/processes/service.ts'
import { startWorker } from '../../src/processes/worker.ts'

/** Below the time after which a role gives up the work of a server that is gone. */
const STOP_BUDGET_MS = 2_000

export interface DrillRoles {
  apiUrl: string
  stop: () => Promise<void>
}

/** Creates the schema of a new database. */
export async function createSchema(databaseUrl: string): Promise<void> {
  await migrate(databaseUrl, await createLogger('silent', 'json'))
}

/** Starts all roles in this process. They log nothing. */
export async function startRoles(databaseUrl: string): Promise<DrillRoles> {
  const log = await createLogger('silent', 'json')
  const config = parseConfig({ PORT: '0', WEBHOOK_ALLOW_PRIVATE: 'true' })
  const worker = await startWorker(config, databaseUrl, log)
  const dispatcher = await startDispatcher(config, databaseUrl, log)
  const api = await startApi(config, databaseUrl, log)
  const services: Service[] = [api, dispatcher, worker]
  const stop = async () => void (await Promise.all(services.map(service => service.stop(STOP_BUDGET_MS))))
  return { apiUrl: api.url, stop }
}
