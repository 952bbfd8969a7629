import type { Database } from '../db/database.ts'
import { measurePool } from '../db/pool-metrics.ts'
import { type StatusServer, startStatusServer } from '../http/server/status-server.ts'
import { measureOps } from '../ops/ops-metrics.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { chooseAuthenticator } from './choose-authenticator.ts'
import { readinessChecks } from './readiness.ts'

/** How a role without an API says how it is. */
export interface Status {
  /** from now on `/readyz` says that this process is stopping */
  drain(): void
  close(): Promise<void>
}

/** Measures the role's pool and, where STATUS_PORT is set, serves its status. @throws ConfigurationError naming STATUS_PORT, or HOST when strangers could call, with the database closed */
export async function openStatus(
  config: Config,
  role: 'dispatcher' | 'worker',
  database: Database,
  log: Logger,
): Promise<Status> {
  const state = { draining: false }
  const { STATUS_PORT } = config
  const stopMeasuring = [measurePool(role, database)]
  // One dispatcher or API is enough to tell what the views say; workers are many.
  if (role === 'dispatcher' && STATUS_PORT !== undefined) stopMeasuring.push(measureOps(database, log))
  async function serve(port: number): Promise<StatusServer> {
    try {
      const authenticator = await chooseAuthenticator(config, database, log)
      return await startStatusServer(config, port, readinessChecks(database, state), authenticator, log)
    } catch (error) {
      for (const stop of stopMeasuring) stop()
      await database.close()
      throw error
    }
  }
  const server = STATUS_PORT === undefined ? undefined : await serve(STATUS_PORT)
  if (server) log.info({ url: server.url }, 'the status is served')
  return {
    drain: () => (state.draining = true),
    close: async () => {
      for (const stop of stopMeasuring) stop()
      await server?.close()
    },
  }
}
