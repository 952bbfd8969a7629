import type { Sql } from '../db/transaction.ts'
import { nowMs } from '../platform/clock.ts'
import { firstIdOf } from '../platform/ids.ts'
import { MAX_COMMIT_DELAY_MS } from './commit-delay.ts'
import type { EventOf } from './event.ts'
import {
  narrowTo,
  type PositionRow,
  type SnapshotPosition,
  snapshotPosition,
  timelineSql,
} from './snapshot-position.ts'

/** A committed event. */
export interface NewEvent extends EventOf {
  /** the transaction that wrote it */
  xid: number
  /** ms since it was written, by the clock of the database */
  age_ms: number
}

export interface NewEventBatch {
  /** not sorted */
  events: NewEvent[]
  /** the position after these events */
  position: SnapshotPosition
  /** false: more events follow after `position` */
  isComplete: boolean
}

type Row = PositionRow & { xid: string | null } & Omit<NewEvent, 'xid'>

/**
 * Reads the events of these restaurants that were committed after a position: those visible now and
 * not visible then, however late their transactions committed. Successive calls return each event
 * exactly once. When the returned position has another timeline than the given one, the events mean
 * nothing: the reader has to start from a snapshot.
 * @param limit approximate maximum: the events of one transaction are never split
 */
export async function readNewEvents(
  sql: Sql,
  since: SnapshotPosition,
  restaurantIds: readonly string[],
  limit: number,
): Promise<NewEventBatch> {
  const takenAtMs = nowMs()
  const rows = await sql.query<Row>(newSql, [
    String(since.next),
    since.inProgress,
    restaurantIds,
    limit,
    firstIdOf(since.takenAtMs - MAX_COMMIT_DELAY_MS),
  ])
  const position = snapshotPosition(rows[0], takenAtMs)
  const events = rows.flatMap(({ snapshot: _, wal_timeline: __, xid, ...event }) =>
    xid === null ? [] : [{ ...event, xid: Number(xid) }],
  )
  const later = events.filter(({ xid }) => xid >= since.next)
  if (later.length < limit) return { events, position, isComplete: true }
  // The limit may have split the last transaction: the next call reads all of it.
  const next = later.reduce((last, { xid }) => Math.max(last, xid), 0)
  if (later.every(({ xid }) => xid === next))
    return await readNewEvents(sql, since, restaurantIds, limit * 10)
  return {
    events: events.filter(({ xid }) => xid < next),
    // Events after this position may be as old as those after the previous one.
    position: narrowTo(next, { ...position, takenAtMs: since.takenAtMs }),
    isComplete: false,
  }
}

const columns = `
    select event_id, restaurant_id, type, order_id, payload, trace_context, xid,
      extract(epoch from clock_timestamp() - created_at)::float8 * 1000 as age_ms
    from outbox_events`

/**
 * Two scans of one index. The upper bound excludes transaction ids of another server, which a
 * restored dump contains. The bound of the ids leaves out the partitions of older events.
 */
const newSql = `
  with now as materialized (
    select pg_current_snapshot() as snapshot, ${timelineSql} as wal_timeline
  )
  select now.snapshot::text as snapshot, now.wal_timeline, event_id, restaurant_id, type, order_id, payload, trace_context, xid::text, age_ms
  from now
  left join lateral (
    (
      ${columns}
      where xid >= $1::text::xid8
        and xid < pg_snapshot_xmax(now.snapshot)
        and restaurant_id = any($3::uuid[])
        and event_id >= $5::uuid
      order by xid
      limit $4
    )
    union all
    ${columns}
    where xid = any($2::text[]::xid8[])
      and restaurant_id = any($3::uuid[])
      and event_id >= $5::uuid
  ) as new_event on true
`
