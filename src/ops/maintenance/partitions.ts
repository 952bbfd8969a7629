import type { Sql } from '../../db/transaction.ts'
import { NIL_UUID } from '../../platform/ids.ts'

/** The partitioned tables. Their default partitions have the suffix `_default`. */
export const partitionedTables = ['outbox_events', 'processed_events'] as const

export type PartitionedTable = (typeof partitionedTables)[number]

/** A partition of a table of events, other than the default partition. */
export interface Partition {
  name: string
  /** the smallest id */
  from_id: string
  /** the id after the largest */
  until_id: string
  /** the times of both */
  from_at: Date
  until_at: Date
}

/** Partitions per retention period, besides those ahead. */
const PER_RETENTION = 10
/** Partitions that exist beyond the current one. */
const AHEAD_COUNT = 2

/** Returns how many minutes of ids a partition holds. */
export function partitionMinutes(retentionMinutes: number): number {
  return Math.max(1, Math.round(retentionMinutes / PER_RETENTION))
}

/** Returns the partitions of a table, oldest first, without the default partition. */
export async function partitionsOf(sql: Sql, table: PartitionedTable): Promise<Partition[]> {
  return await sql.query<Partition>(partitionsSql, [table, NIL_UUID])
}

const partitionsSql = `
  select name, from_id, until_id, coalesce(uuid_extract_timestamp(from_id::uuid), 'epoch') as from_at,
    uuid_extract_timestamp(until_id::uuid) as until_at
  from (
    select c.relname as name,
      coalesce(substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \\(''([0-9a-f-]{36})''\\)'), $2) as from_id,
      substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([0-9a-f-]{36})''\\)') as until_id
    from pg_inherits as i
    join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = $1::regclass
  ) as partition
  where until_id is not null
  order by until_id
`

/** A period of whole minutes. */
export interface Period {
  from: Date
  until: Date
}

const MINUTE_MS = 60_000

/**
 * Returns the periods of the partitions to create, so that the current partition and two more
 * exist. Boundaries are multiples of the width since 1970. The first partition, and the first after
 * a gap, covers the current period if the default partition has no rows of it. Otherwise it begins
 * with the next minute but one: existing rows stay in the default partition.
 * @param lastUntil the end of the last partition
 * @param lastInDefault the time of the largest id in the default partition
 */
export function missingPeriods(
  now: Date,
  widthMinutes: number,
  lastUntil: Date | undefined,
  lastInDefault: Date | undefined,
): Period[] {
  const widthMs = widthMinutes * MINUTE_MS
  const floor = (ms: number, toMs: number) => Math.floor(ms / toMs) * toMs
  const lastMs = lastUntil?.getTime() ?? 0
  const periodMs = Math.max(floor(now.getTime(), widthMs), lastMs)
  const isUsed = lastInDefault !== undefined && lastInDefault.getTime() >= periodMs
  const firstMs = isUsed ? floor(now.getTime(), MINUTE_MS) + 2 * MINUTE_MS : periodMs
  const periods: Period[] = []
  let fromMs = lastMs > now.getTime() ? lastMs : firstMs
  while (fromMs <= now.getTime() + AHEAD_COUNT * widthMs) {
    const untilMs = floor(fromMs, widthMs) + widthMs
    periods.push({ from: new Date(fromMs), until: new Date(untilMs) })
    fromMs = untilMs
  }
  return periods
}
