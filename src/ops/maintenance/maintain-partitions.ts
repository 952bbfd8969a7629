import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'
import type { Sql } from '../../db/transaction.ts'
import { now } from '../../platform/clock.ts'
import type { Logger } from '../../platform/log.ts'
import { advanceCutoffs } from './cutoffs.ts'
import {
  missingPeriods,
  type Partition,
  type PartitionedTable,
  partitionedTables,
  partitionMinutes,
  partitionsOf,
} from './partitions.ts'

/** Attempts at a change that other sessions block. Statements of others wait 100 ms for each. */
const ATTEMPT_COUNT = 10
const RETRY_MS = 500

export interface MaintainedPartitions {
  created: number
  dropped: number
  /** expired, but with an event that is pending, quarantined or undelivered */
  held: number
  /** left to the next run, because other sessions held locks */
  blocked: number
}

/**
 * Creates the partitions of the tables of events that are missing, two ahead, and drops those whose
 * rows have expired. Replaces empty partitions ahead that are much wider than the current setting.
 * A partition with an event that is pending, quarantined or undelivered stays; `prune` deletes its
 * other rows. Safe in several processes at once.
 */
export async function maintainPartitions(
  database: Database,
  log: Logger,
  attemptCount = ATTEMPT_COUNT,
): Promise<MaintainedPartitions> {
  const result: MaintainedPartitions = { created: 0, dropped: 0, held: 0, blocked: 0 }
  const cutoffs = await advanceCutoffs(database)
  const attempt = async (outcome: 'created' | 'dropped', sql: string, values: unknown[]) => {
    const isDone = await attemptChange(database, sql, values, attemptCount)
    result[isDone ? outcome : 'blocked']++
    return isDone
  }
  for (const table of partitionedTables) {
    const { minutes, kept_since } = cutoffs.get(table)
    for (const partition of (await partitionsOf(database, table)).toReversed())
      if (!isTooWideAhead(partition, minutes) || !(await attempt('dropped', dropSql, [partition.name]))) break
    for (const { from, until } of await missingPartitions(database, table, minutes))
      if (!(await attempt('created', createSql, [table, from, until]))) break
    for (const partition of await partitionsOf(database, table)) {
      if (partition.until_at > kept_since) break
      if (await isHeld(database, table, partition)) result.held++
      else await attempt('dropped', dropSql, [partition.name])
    }
  }
  if (result.blocked > 0) log.warn(result, 'other sessions held locks on the tables of events')
  else log.info(result, 'maintained the partitions of the tables of events')
  return result
}

/** Returns whether the partition begins later than now and is wider than the setting by far. */
function isTooWideAhead({ from_at, until_at }: Partition, retentionMinutes: number): boolean {
  const widthMinutes = (until_at.getTime() - from_at.getTime()) / 60_000
  return from_at > now() && widthMinutes > 2 * partitionMinutes(retentionMinutes)
}

async function missingPartitions(sql: Sql, table: PartitionedTable, retentionMinutes: number) {
  const lastUntil = (await partitionsOf(sql, table)).at(-1)?.until_at
  const [used] = await sql.query<{ last: Date | null }>(
    `select uuid_extract_timestamp((select event_id from ${table}_default order by event_id desc limit 1)) as last`,
  )
  return missingPeriods(now(), partitionMinutes(retentionMinutes), lastUntil, used?.last ?? undefined)
}

/** Returns whether a partition has an event that must not be dropped. */
async function isHeld(sql: Sql, table: PartitionedTable, { from_id, until_id }: Partition): Promise<boolean> {
  if (table === 'processed_events') return false
  const [row] = await sql.query<{ held: boolean }>(heldSql, [from_id, until_id])
  return row?.held ?? true
}

/** @returns false if other sessions held locks at each attempt, or rows must not be dropped */
async function attemptChange(
  sql: Sql,
  text: string,
  values: readonly unknown[],
  attemptCount: number,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const [row] = await sql.query<{ done: boolean }>(text, values)
    if (row?.done) return true
    if (attempt >= attemptCount) return false
    await delay(RETRY_MS)
  }
}

const createSql = 'select create_partition($1, $2, $3) as done'
const dropSql = 'select drop_partition($1) as done'

const range = (key: string) => `${key} >= $1::text::uuid
      and ${key} < $2::text::uuid`

const heldSql = `
  select exists (
    select
    from outbox_events
    where dispatched_at is null
      and quarantined_at is null
      and ${range('event_id')}
  )
  or exists (
    select
    from outbox_events
    where quarantined_at is not null
      and ${range('event_id')}
  )
  or exists (
    select
    from webhook_deliveries
    where settled_at is null
      and ${range('event_id')}
  ) as held
`
