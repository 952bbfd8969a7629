import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'
import type { Sql } from '../../db/transaction.ts'
import type { Logger } from '../../platform/log.ts'
import { type PrunableTable, prunableTables } from './prunable-tables.ts'

/** Rows per statement: short transactions hold few locks and let vacuum keep up. */
const BATCH_COUNT = 2_000
/** Duration of a run. The next run, a minute later, continues. */
const MAX_RUN_MS = 45_000

/**
 * Deletes expired rows in small batches, each in its own transaction, one batch per table in turn,
 * until none is left. Pauses after a batch for as long as the batch took, so that pruning occupies
 * one connection half of the time. Never deletes dead letters, pending, quarantined or undelivered
 * events, or records of processed events that a redrive may need. Ages are measured by the clock of
 * the database. pg-boss itself deletes finished jobs.
 * @returns deleted rows by table
 */
export async function prune(
  database: Database,
  log: Logger,
  maxRunMs = MAX_RUN_MS,
): Promise<Record<string, number>> {
  const endsAt = performance.now() + maxRunMs
  const cutoffs = await advanceCutoffs(database)
  const pruned: Record<string, number> = {}
  let progress = prunableTables.map(table => ({ table, after: table.firstKey }))
  while (progress.length > 0 && performance.now() < endsAt) {
    const next: typeof progress = []
    for (const { table, after } of progress) {
      const startedAt = performance.now()
      const { count, last } = await pruneBatch(database, table, cutoffs, after)
      pruned[table.name] = (pruned[table.name] ?? 0) + count
      if (count < BATCH_COUNT) continue
      next.push({ table, after: last ?? after })
      await delay(performance.now() - startedAt)
    }
    progress = next
  }
  log.info(pruned, 'deleted expired rows')
  return pruned
}

async function pruneBatch(
  sql: Sql,
  { sql: statement, retention }: PrunableTable,
  cutoffs: ReadonlyMap<string, Date>,
  after: string,
): Promise<{ count: number; last: string | null }> {
  const cutoff = retention === undefined ? null : (cutoffs.get(retention) ?? null)
  const [batch] = await sql.query<{ count: number; last: string | null }>(statement, [
    cutoff,
    after,
    BATCH_COUNT,
  ])
  return batch ?? { count: 0, last: null }
}

/**
 * Moves the time before which the rows of each table may be deleted, which never goes back, and
 * commits it before any row is deleted: a reader that finds an unchanged time afterwards has missed
 * no row.
 */
async function advanceCutoffs(sql: Sql): Promise<Map<string, Date>> {
  const rows = await sql.query<{ name: string; kept_since: Date }>(advanceSql)
  return new Map(rows.map(({ name, kept_since }) => [name, kept_since]))
}

const advanceSql = `
  update retention
  set kept_since = greatest(kept_since, now() - minutes * interval '1 minute')
  returning name, kept_since
`
