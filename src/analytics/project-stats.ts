import type { Tx } from '../db/transaction.ts'
import { addedByEventsSql, columnsSql, statColumns } from './stats-sql.ts'

/** About how many events one transaction adds. */
const BATCH_COUNT = 5_000

/**
 * Adds to the statistics what events have been committed since the cursor, each once: what is visible now and was not then
 * (src/events/snapshot-position.ts). Atomic: what was added and the cursor move together. While another does so, nothing happens.
 * @returns whether there may be more
 */
export async function projectStats(tx: Tx, batchCount = BATCH_COUNT): Promise<boolean> {
  const [cursor] = await tx.query<{ next_xid: string; under_way: string[] }>(cursorSql)
  if (!cursor) return false
  const { next_xid, under_way } = cursor
  const [moved] = await tx.query<{ is_whole: boolean }>(projectSql, [next_xid, under_way, batchCount])
  return moved?.is_whole === false
}

const cursorSql = `
  select next_xid::text as next_xid, under_way::text[] as under_way
  from projection_cursors
  where projection = 'stats'
  for no key update skip locked
`

const news = `
      select order_id, restaurant_id, type, payload
      from outbox_events
      where xid >= $1::text::xid8
        and xid < (select next_xid::text::xid8 from bound)
      union all
      select order_id, restaurant_id, type, payload
      from outbox_events
      where xid = any($2::text[]::xid8[])`

/** A batch ends behind a whole transaction; the cursor then is the snapshot as far as it reaches. */
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
    from (${addedByEventsSql(news)}) as added
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
  returning not exists (select from last) as is_whole
`
