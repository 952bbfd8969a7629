import type { Database } from '../db/database.ts'
import { measurePool } from '../db/pool-metrics.ts'
import type { ReadinessChecks } from '../http/server/health.ts'
import { type StatusServer, startStatusServer } from '../http/server/status-server.ts'
import type { Heartbeat } from '../ops/liveness/heartbeat.ts'
import { measureOps } from '../ops/ops-metrics.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { chooseAuthenticator } from './choose-authenticator.ts'
import { processChecks, type ReadinessState, readinessChecks } from './readiness.ts'

/** The status of a role without an API. */
export interface Status {
  /** the checks that concern this role alone */
  checks: ReadinessChecks
  /** makes `/readyz` report whether the heartbeats of this process are written */
  watch(heartbeat: Heartbeat): void
  /** makes `/readyz` report that this process is draining */
  drain(): void
  close(): Promise<void>
}

/**
 * Publishes metrics of the role's pool and, if STATUS_PORT is set, serves the status.
 * @throws ConfigurationError naming STATUS_PORT if the port is taken, or HOST if unauthenticated
 *   clients of other machines could connect. The database is then closed.
 */
export async function openStatus(
  config: Config,
  role: 'dispatcher' | 'worker',
  database: Database,
  log: Logger,
): Promise<Status> {
  const state: ReadinessState = { draining: false }
  const { STATUS_PORT } = config
  const stopMeasuring = [measurePool(role, database)]
  // The metrics of the `ops` views are the same in every process, and there are many workers.
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
  if (server) log.info({ url: server.url }, 'the status server is listening')
  return {
    checks: processChecks(state),
    watch: heartbeat => (state.heartbeat = heartbeat),
    drain: () => (state.draining = true),
    close: async () => {
      for (const stop of stopMeasuring) stop()
      await server?.close()
    },
  }
}
