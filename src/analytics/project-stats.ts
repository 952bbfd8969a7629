import type { Tx } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'
import { isDataError, setAsideFailing } from './set-aside.ts'
import { addedByEventsSql, columnsSql, statColumns } from './stats-sql.ts'

/** Approximate number of events per transaction. */
const BATCH_COUNT = 5_000
/** Failed restaurants that one transaction looks for; it ends long before its timeout. */
const MAX_FAILED_COUNT = 10

/**
 * Adds the events that were committed since the cursor to the statistics, each once
 * (src/events/snapshot-position.ts). Atomic with moving the cursor. Does nothing while another
 * process projects. When events of some restaurants cannot be added, sets these restaurants aside;
 * the next call adds the events of all others.
 *
 * A failover needs no recount, also one that loses events: the cursor, the statistics and the
 * events are parts of the same WAL, and no transaction id below the cursor is used again.
 * @returns whether more events may be waiting
 * @throws Error when the database is a logical copy, whose events have transaction ids of another
 *   server
 */
export async function projectStats(tx: Tx, log: Logger, batchCount = BATCH_COUNT): Promise<boolean> {
  const [cursor] = await tx.query<Cursor>(cursorSql)
  if (!cursor) return false
  if (cursor.is_foreign)
    throw new Error('the statistics were copied from another server: run `npm run stats:rebuild`')
  const batch = [cursor.next_xid, cursor.under_way, batchCount]
  try {
    const [moved] = await tx.savepoint(() => tx.query<{ is_complete: boolean }>(projectSql, [...batch, null]))
    return moved?.is_complete === false
  } catch (error) {
    if (!isDataError(error)) throw error
    const rows = await tx.query<{ restaurant_id: string }>(restaurantsSql, [...batch, null])
    const failed = await setAsideFailing(
      tx,
      rows.map(({ restaurant_id }) => restaurant_id),
      restaurants => tx.query(projectSql, [...batch, restaurants]),
      MAX_FAILED_COUNT,
    )
    if (failed.length === 0) throw error
    tx.afterCommit(() => {
      for (const each of failed) log.error(each, 'statistics of a restaurant failed and are set aside')
    })
    return true
  }
}

interface Cursor {
  next_xid: string
  under_way: string[]
  /** the cursor counts the transactions of another server */
  is_foreign: boolean
}

const cursorSql = `
  select next_xid::text as next_xid, under_way::text[] as under_way,
    system_identifier <> (select s.system_identifier from pg_control_system() as s) as is_foreign
  from projection_cursors
  where projection = 'stats'
  for no key update skip locked
`

/**
 * The events of a batch, which ends at the end of a transaction. `$4` limits them to some
 * restaurants.
 */
const batchSql = `
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
  ), fresh as (
    select order_id, restaurant_id, type, payload
    from outbox_events
    where xid >= $1::text::xid8
      and xid < (select next_xid::text::xid8 from bound)
    union all
    select order_id, restaurant_id, type, payload
    from outbox_events
    where xid = any($2::text[]::xid8[])
  ), events as materialized (
    select order_id, restaurant_id, type, payload
    from fresh
    where ($4::uuid[] is null or restaurant_id = any($4))
      and not exists (
        select
        from failed_statistics as f
        where f.restaurant_id = fresh.restaurant_id
      )
  )`

const restaurantsSql = `${batchSql}
  select distinct restaurant_id
  from events
`

/** The cursor becomes the part of the snapshot before the end of the batch. */
const projectSql = `${batchSql}, added as (
    insert into restaurant_quarter_hours (restaurant_id, quarter_hour, ${columnsSql})
    select restaurant_id, quarter_hour, ${columnsSql}
    from (${addedByEventsSql('events')}) as added
    on conflict (restaurant_id, quarter_hour) do update
    set ${statColumns.map(column => `${column} = restaurant_quarter_hours.${column} + excluded.${column}`).join(', ')}
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
