import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'
import type { Sql } from '../../db/transaction.ts'
import type { Logger } from '../../platform/log.ts'
import { advanceCutoffs, type Cutoffs } from './cutoffs.ts'
import { partitionedTables, partitionMinutes, partitionsOf } from './partitions.ts'
import { type PrunableTable, prunableEvents, prunableTables } from './prunable-tables.ts'

/** Rows per statement: short transactions hold few locks and let vacuum keep up. */
const BATCH_COUNT = 2_000
/** Duration of a run. The next run, a minute later, continues. */
const MAX_RUN_MS = 45_000
/** Time for an expired partition to be dropped, after which its rows are deleted. */
const DROP_DELAY_MS = 120_000

/** Rows that a run deletes: those with keys after `after` that were written before `before`. */
interface Expired {
  table: PrunableTable
  after: string
  before: Date | null
}

/**
 * Deletes expired rows in small batches, each in its own transaction, one batch per table in turn,
 * until none is left. Pauses after a batch for as long as the batch took, so that pruning occupies
 * one connection half of the time. Never deletes dead letters, pending, quarantined or undelivered
 * events, or records of processed events that a redrive may need. Ages are measured by the clock of
 * the database. Expired partitions are dropped by `maintainPartitions`, finished jobs deleted by
 * pg-boss.
 * @returns deleted rows by table
 */
export async function prune(
  database: Database,
  log: Logger,
  maxRunMs = MAX_RUN_MS,
): Promise<Record<string, number>> {
  const endsAt = performance.now() + maxRunMs
  const pruned: Record<string, number> = {}
  let left = await findExpired(database, await advanceCutoffs(database))
  while (left.length > 0 && performance.now() < endsAt) {
    const next: Expired[] = []
    for (const expired of left) {
      const startedAt = performance.now()
      const { table } = expired
      const { count, last } = await deleteBatch(database, expired)
      pruned[table.name] = (pruned[table.name] ?? 0) + count
      if (count < BATCH_COUNT) continue
      next.push({ ...expired, after: last ?? expired.after })
      await delay(performance.now() - startedAt)
    }
    left = next
  }
  log.info(pruned, 'deleted expired rows')
  return pruned
}

async function findExpired(sql: Sql, cutoffs: Cutoffs): Promise<Expired[]> {
  const expired = prunableTables.map(table => {
    const { retention, firstKey } = table
    return { table, after: firstKey, before: retention ? cutoffs.get(retention).kept_since : null }
  })
  for (const name of partitionedTables) expired.push(...(await findExpiredEvents(sql, name, cutoffs)))
  return expired
}

/**
 * Returns the rows of a partitioned table that no drop of a partition will delete soon: of the
 * default partition, of partitions that are held, and of those wider than the setting.
 */
async function findExpiredEvents(
  sql: Sql,
  name: (typeof partitionedTables)[number],
  cutoffs: Cutoffs,
): Promise<Expired[]> {
  const { minutes, kept_since } = cutoffs.get(name)
  const latest = kept_since.getTime() - partitionMinutes(minutes) * 60_000 - DROP_DELAY_MS
  const partitions = (await partitionsOf(sql, name)).filter(({ from_at }) => from_at.getTime() <= latest)
  const inDefault = prunableEvents(name, `${name}_default`)
  const table = prunableEvents(name, name)
  return [
    { table: inDefault, after: inDefault.firstKey, before: kept_since },
    ...partitions.map(({ from_id, until_at }) => ({
      table,
      after: from_id,
      before: until_at < kept_since ? until_at : kept_since,
    })),
  ]
}

async function deleteBatch(
  sql: Sql,
  { table, after, before }: Expired,
): Promise<{ count: number; last: string | null }> {
  const [batch] = await sql.query<{ count: number; last: string | null }>(table.sql, [
    before,
    after,
    BATCH_COUNT,
  ])
  return batch ?? { count: 0, last: null }
}
