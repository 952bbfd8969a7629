import type { Tx } from '../db/transaction.ts'
import { addedByEventsSql, columnsSql, statColumns } from './stats-sql.ts'

/** Approximate number of events per transaction. */
const BATCH_COUNT = 5_000

/**
 * Adds the events that were committed since the cursor to the statistics, each once
 * (src/events/snapshot-position.ts). Atomic with moving the cursor. Does nothing while another
 * process projects.
 * @returns whether more events may be waiting
 */
export async function projectStats(tx: Tx, batchCount = BATCH_COUNT): Promise<boolean> {
  const [cursor] = await tx.query<{ next_xid: string; under_way: string[] }>(cursorSql)
  if (!cursor) return false
  const { next_xid, under_way } = cursor
  const [moved] = await tx.query<{ is_complete: boolean }>(projectSql, [next_xid, under_way, batchCount])
  return moved?.is_complete === false
}

const cursorSql = `
  select next_xid::text as next_xid, under_way::text[] as under_way
  from projection_cursors
  where projection = 'stats'
  for no key update skip locked
`

const newEventsSql = `
      select order_id, restaurant_id, type, payload
      from outbox_events
      where xid >= $1::text::xid8
        and xid < (select next_xid::text::xid8 from bound)
      union all
      select order_id, restaurant_id, type, payload
      from outbox_events
      where xid = any($2::text[]::xid8[])`

/**
 * A batch ends at the end of a transaction. The cursor becomes the part of the snapshot before it.
 */
const projectSql = `
  with now as materialized (
    select pg_current_snapshot() as snapshot
  ), last as materialized (
    select xid::text::bigint as xid, created_at
    from outbox_events
    where xid >= $1::text::xid8
      and xid < (select pg_snapshot_xmax(snapshot) from now)
    order by outbox_events.xid
    offset $3
    limit 1
  ), bound as materialized (
    select coalesce(last.xid + 1, pg_snapshot_xmax(now.snapshot)::text::bigint) as next_xid,
      coalesce(last.created_at, statement_timestamp()) as as_of
    from now
    left join last on true
  ), added as (
    insert into restaurant_hours (restaurant_id, hour, ${columnsSql})
    select restaurant_id, hour, ${columnsSql}
    from (${addedByEventsSql(newEventsSql)}) as added
    on conflict (restaurant_id, hour) do update
    set ${statColumns.map(column => `${column} = restaurant_hours.${column} + excluded.${column}`).join(', ')}
  )
  update projection_cursors
  set next_xid = bound.next_xid,
    under_way = array(
      select xid::text::bigint
      from now
      cross join pg_snapshot_xip(snapshot) as xid
      where xid::text::bigint < bound.next_xid
    ),
    as_of = bound.as_of
  from bound
  where projection = 'stats'
  returning not exists (select from last) as is_complete
`
