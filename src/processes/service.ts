import { Database } from '../db/database.ts'
import { pendingMigrations } from '../db/migrations.ts'
import { inventoryEntities } from '../inventory/inventory-entities.ts'
import type { Config } from '../platform/config.ts'
import { type Logger } from '../platform/log.ts'

/** A running role. */
export interface Service {
  /** Finishes what is in hand and lets go of everything, within `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>
}

/** The database has not been migrated to this version. */
export class NotMigrated extends Error {
  override name = 'NotMigrated'
}

/**
 * The pool of one role.
 * @throws NotMigrated naming what is missing
 */
export async function openDatabase(
  config: Config,
  url: string,
  role: 'api' | 'dispatcher' | 'worker',
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
  const missing = await pendingMigrations(database)
  if (missing.length === 0) return database
  await database.close()
  throw new NotMigrated(`the database lacks ${missing.join(', ')}: run \`npm run migrate\` first`)
}
