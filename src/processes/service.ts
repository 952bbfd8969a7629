import { setTimeout as delay } from 'node:timers/promises'
import { Database } from '../db/database.ts'
import { pendingMigrations } from '../db/migrations.ts'
import { inventoryEntities } from '../inventory/inventory-entities.ts'
import type { Config } from '../platform/config.ts'
import { DatabaseUnavailable } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'

/** A running role. */
export interface Service {
  /** Finishes the work in progress and releases all resources, within `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>
}

/** The database lacks migrations of this version. */
export class NotMigrated extends Error {
  override name = 'NotMigrated'
}

const RECONNECT_MS = 500

/**
 * Opens the pool of one role. Retries for up to `DATABASE_WAIT_MS` while the database is
 * unreachable.
 * @throws DatabaseUnavailable after that
 * @throws NotMigrated naming the missing migrations
 */
export async function openDatabase(
  config: Config,
  url: string,
  role: 'api' | 'dispatcher' | 'worker',
  poolCount: number,
  log: Logger,
): Promise<Database> {
  const deadline = Date.now() + config.DATABASE_WAIT_MS
  for (;;) {
    try {
      return await openMigrated(config, url, role, poolCount, log)
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || Date.now() > deadline) throw error
      log.warn({ cause: String(error.cause) }, 'the database cannot be reached yet; waiting for it')
      await delay(RECONNECT_MS)
    }
  }
}

async function openMigrated(
  config: Config,
  url: string,
  role: string,
  poolCount: number,
  log: Logger,
): Promise<Database> {
  const database = await Database.open({
    url,
    applicationName: `comanda-${role}`,
    poolCount,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    entities: inventoryEntities,
    log,
  })
  try {
    const missing = await pendingMigrations(database)
    if (missing.length === 0) return database
    throw new NotMigrated(`the database lacks ${missing.join(', ')}: run \`npm run migrate\` first`)
  } catch (error) {
    await database.close()
    throw error
  }
}
