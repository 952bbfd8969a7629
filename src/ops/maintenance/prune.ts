import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import { prunableTables } from './prunable-tables.ts'

/** Rows per statement: short transactions hold few locks and let vacuum keep up. */
const BATCH_COUNT = 2_000
/** Rows per table and run; the next run continues. */
const MAX_RUN_COUNT = 2_000_000

/**
 * Deletes expired rows in small batches, each in its own transaction. Never deletes dead letters,
 * undispatched events, or records of processed events that a redrive may need. Ages are measured by
 * the clock of the database. pg-boss itself deletes completed jobs, after 7 days.
 * @returns deleted rows by table
 */
export async function prune(database: Database, log: Logger): Promise<Record<string, number>> {
  const pruned: Record<string, number> = {}
  for (const { name, sql } of prunableTables) {
    let count = 0
    for (let batch = BATCH_COUNT; batch === BATCH_COUNT && count < MAX_RUN_COUNT; count += batch) {
      batch = await database.execute(sql, [BATCH_COUNT])
    }
    pruned[name] = count
  }
  log.info(pruned, 'deleted expired rows')
  return pruned
}
