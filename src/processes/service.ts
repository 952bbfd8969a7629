import { Database, type PoolKind } from '../db/database.ts'
import { describeSchema, NotMigrated } from '../db/migrations.ts'
import type { ReadinessChecks } from '../http/server/health.ts'
import { inventoryEntities } from '../inventory/inventory-entities.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { waitForDatabase } from './wait-for-database.ts'

/** A running role. */
export interface Service {
  /** Makes `/readyz` answer 503, so that load balancers send no more requests. Work continues. */
  drain(): void
  /** Finishes the work in progress and releases all resources, within `budgetMs`. */
  stop(budgetMs: number): Promise<void>
  /** rejects when the service cannot go on, with the reason; by default it always can */
  failed?: Promise<never>
}

/** A running dispatcher or worker. */
export interface BackgroundService extends Service {
  /** the readiness checks that concern this role alone */
  checks: ReadinessChecks
}

/**
 * Opens the pool of one role. Waits for the database, see {@link waitForDatabase}.
 * @throws DatabaseUnavailable
 * @throws NotMigrated naming the missing migrations, which `untilMigrated` waits for
 */
export async function openDatabase(
  config: Config,
  url: string,
  role: 'api' | 'dispatcher' | 'worker' | 'operations',
  poolCount: number,
  log: Logger,
  kind?: PoolKind,
): Promise<Database> {
  return await waitForDatabase(config, log, () => openMigrated(config, url, role, poolCount, log, kind))
}

async function openMigrated(
  config: Config,
  url: string,
  role: string,
  poolCount: number,
  log: Logger,
  kind: PoolKind | undefined,
): Promise<Database> {
  const database = await Database.open({
    url,
    listenUrl: config.DATABASE_LISTEN_URL,
    applicationName: `comanda-${role}`,
    poolCount,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    kind,
    entities: inventoryEntities,
    log,
  })
  try {
    const schema = await describeSchema(database)
    if (schema !== 'ok') throw new NotMigrated(`the database ${schema}`)
    if (database.pooling === 'transaction') await warnOfPooling(config, database, log)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Logs what is lost behind a connection pooler in transaction mode, and what restores it. */
async function warnOfPooling(config: Config, database: Database, log: Logger): Promise<void> {
  if (config.DATABASE_LISTEN_URL === undefined)
    log.warn(
      'DATABASE_URL leads to a connection pooler in transaction mode, so that notifications cannot arrive: each step of an order waits up to 1 s for a poll; set DATABASE_LISTEN_URL to the address of Postgres itself, or set `pool_mode = session`',
    )
  const missing = Object.entries(await database.missingSettings())
  if (missing.length > 0)
    log.warn(
      { statements: missing.map(([name, value]) => `alter role … set ${name} = '${value}'`) },
      'DATABASE_URL leads to a connection pooler in transaction mode, which drops the timeouts and planner settings of a session: run these statements for the role of this login',
    )
}
