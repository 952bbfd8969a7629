import type { Sql } from '../db/transaction.ts'
import type { EventOf } from './event.ts'
import { narrowTo, type SnapshotPosition, snapshotPosition } from './snapshot-position.ts'

/** An event as it was committed. */
export interface NewEvent extends EventOf {
  /** the transaction that wrote it */
  xid: number
  /** how long ago it was written, in ms, by the database's clock */
  age_ms: number
}

export interface NewEventBatch {
  /** in no order */
  events: NewEvent[]
  /** up to where they have been read now */
  horizon: SnapshotPosition
  /** false: there are more; go on from the horizon */
  isWhole: boolean
}

type Row = { snapshot: string; xid: string | null } & Omit<NewEvent, 'xid'>

/**
 * The events of these restaurants that have been committed since a horizon, each exactly once over successive calls: what
 * is visible now and was not then, however late its transaction committed.
 * @param limit about how many, at most; a transaction is never divided
 */
export async function readNewEvents(
  sql: Sql,
  since: SnapshotPosition,
  restaurantIds: readonly string[],
  limit: number,
): Promise<NewEventBatch> {
  const rows = await sql.query<Row>(newSql, [String(since.next), since.underWay, restaurantIds, limit])
  const horizon = snapshotPosition(rows[0]?.snapshot ?? '')
  const events = rows.flatMap(({ snapshot: _, xid, ...event }) =>
    xid === null ? [] : [{ ...event, xid: Number(xid) }],
  )
  const later = events.filter(({ xid }) => xid >= since.next)
  if (later.length < limit) return { events, horizon, isWhole: true }
  // The last transaction may be cut off: it is left for the next call, whole.
  const next = later.reduce((last, { xid }) => Math.max(last, xid), 0)
  if (later.every(({ xid }) => xid === next))
    return await readNewEvents(sql, since, restaurantIds, limit * 10)
  return { events: events.filter(({ xid }) => xid < next), horizon: narrowTo(next, horizon), isWhole: false }
}

const columns = `
    select event_id, restaurant_id, type, order_id, payload, trace_context, xid,
      extract(epoch from clock_timestamp() - created_at)::float8 * 1000 as age_ms
    from outbox_events`

/**
 * Two walks of one index. The upper bound keeps out the numbers of another server's transactions, which a restored dump
 * brings with it.
 */
const newSql = `
  with now as materialized (
    select pg_current_snapshot() as snapshot
  )
  select now.snapshot::text as snapshot, event_id, restaurant_id, type, order_id, payload, trace_context, xid::text, age_ms
  from now
  left join lateral (
    (
      ${columns}
      where xid >= $1::text::xid8
        and xid < pg_snapshot_xmax(now.snapshot)
        and restaurant_id = any($3::uuid[])
      order by xid
      limit $4
    )
    union all
    ${columns}
    where xid = any($2::text[]::xid8[])
      and restaurant_id = any($3::uuid[])
  ) as news on true
`
