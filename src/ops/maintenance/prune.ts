import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import { prunableTables } from './prunable-tables.ts'

/** Rows per statement: short transactions hold few locks and let vacuum keep up. */
const BATCH_COUNT = 2_000
/** Rows per table and run; the next run continues. */
const MAX_RUN_COUNT = 2_000_000
const DAY_MS = 86_400_000

/**
 * Deletes expired rows in small batches, each in its own transaction. Never deletes dead letters,
 * undispatched events, or records of processed events that a redrive may need. pg-boss itself
 * deletes completed jobs, after 7 days.
 * @returns deleted rows by table
 */
export async function prune(database: Database, now: Date, log: Logger): Promise<Record<string, number>> {
  const pruned: Record<string, number> = {}
  for (const { name, days, sql, bound } of prunableTables) {
    const before = bound(new Date(now.getTime() - days * DAY_MS))
    let count = 0
    for (let batch = BATCH_COUNT; batch === BATCH_COUNT && count < MAX_RUN_COUNT; count += batch) {
      batch = await database.execute(sql, [before, BATCH_COUNT])
    }
    pruned[name] = count
  }
  log.info(pruned, 'deleted expired rows')
  return pruned
}
