import { setTimeout as delay } from 'node:timers/promises'
import { Database } from '../db/database.ts'
import { unavailableReason } from '../db/unavailable-reason.ts'
import type { CheckResult, ReadinessChecks } from '../http/server/health.ts'
import { startWaitingServer } from '../http/server/status-server.ts'
import { describeQueues } from '../jobs/boss.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { chooseAuthenticator } from './choose-authenticator.ts'
import { schemaChecks } from './readiness.ts'
import { waitForDatabase } from './wait-for-database.ts'

const POLL_MS = 1_000

type Role = 'api' | 'dispatcher' | 'worker'

/**
 * Waits until `npm run migrate` of this version, or of a newer one, has ended. Meanwhile the port
 * of the role answers `/healthz` with 200 and all else with 503, naming what is missing, which is
 * logged once. Needs one database connection.
 * @param stopping ends the waiting
 * @returns false when `stopping` has ended the waiting
 * @throws what {@link waitForDatabase} and the start of the role throw for a wrong configuration
 */
export async function untilMigrated(
  config: Config,
  url: string,
  role: Role,
  log: Logger,
  stopping: AbortSignal,
): Promise<boolean> {
  const database = await waitForDatabase(config, log, () => openOne(config, url, role, log))
  try {
    let missing = await firstMissing(database, role)
    if (!missing) return true
    const port = role === 'api' ? config.PORT : config.STATUS_PORT
    const variable = role === 'api' ? 'PORT' : 'STATUS_PORT'
    const results = () => (missing ? [missing] : [])
    // A wrong configuration ends the process now, not after the migration.
    if (port !== undefined) await chooseAuthenticator(config, database, log)
    const server =
      port === undefined ? undefined : await startWaitingServer(config, port, variable, results, log)
    log.warn(
      { ...(server ? { url: server.url } : {}), [missing.name]: missing.result },
      'the database is not at this version; waiting for `npm run migrate`',
    )
    try {
      while (missing) {
        await delay(POLL_MS, undefined, { signal: stopping })
        missing = await firstMissing(database, role)
      }
    } finally {
      await server?.close()
    }
    log.info('the database has been migrated')
    return true
  } catch (error) {
    if (stopping.aborted) return false
    throw error
  } finally {
    await database.close()
  }
}

async function openOne(config: Config, url: string, role: Role, log: Logger): Promise<Database> {
  return await Database.open({
    url,
    applicationName: `comanda-${role}`,
    poolCount: 1,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    log,
  })
}

/** Returns the first check that fails: those after it would report consequences. */
async function firstMissing(database: Database, role: Role): Promise<CheckResult | undefined> {
  for (const [name, { check }] of Object.entries(checksOf(database, role))) {
    const result = await check()
    if (result !== 'ok') return { name, advisory: false, result }
  }
  return undefined
}

/** The API puts no jobs into the queues, and its login may not read their options. */
function checksOf(database: Database, role: Role): ReadinessChecks {
  if (role === 'api') return schemaChecks(database)
  const queues = () => describeQueues(database).catch(unavailableReason)
  return { ...schemaChecks(database), queues: { check: queues } }
}
