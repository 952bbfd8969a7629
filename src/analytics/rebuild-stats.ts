import type { Tx } from '../db/transaction.ts'
import { OUTBOX_RETENTION_DAYS } from '../platform/retention.ts'
import { addedByEventsSql, columnsSql, statColumns } from './stats-sql.ts'

/** The rebuild reads every event: it needs no index scans, and takes its time. */
const settings = [
  'transaction_timeout = 0',
  'statement_timeout = 0',
  ...['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort'].map(node => `enable_${node} = on`),
]

/**
 * Recounts the statistics from the retained events and moves the cursor to the snapshot that was
 * read. Hours whose events may be pruned stay as they are. Atomic and safe under load: readers see
 * the old figures until the commit, and the projector adds later events afterwards.
 * @returns the number of recounted hours
 */
export async function rebuildStats(tx: Tx): Promise<number> {
  for (const setting of settings) await tx.execute(`set local ${setting}`)
  // Waits for a projector; the next statement's snapshot includes what it added.
  await tx.execute(`select from projection_cursors where projection = 'stats' for update`)
  const [result] = await tx.query<{ hours: number }>(rebuildSql)
  return result?.hours ?? 0
}

/**
 * Pruning may run at the same time, so that only hours are recounted whose events are all younger
 * than the retention, with an hour to spare for clocks that differ.
 */
const rebuildSql = `
  with retained as materialized (
    select date_trunc('hour', now() - interval '${OUTBOX_RETENTION_DAYS} days', 'UTC') + interval '2 hours' as since
  ), recounted as (
    insert into restaurant_hours (restaurant_id, hour, ${columnsSql})
    select restaurant_id, hour, ${columnsSql}
    from (${addedByEventsSql('select order_id, restaurant_id, type, payload from outbox_events')}) as added
    where hour >= (select since from retained)
    on conflict (restaurant_id, hour) do update
    set ${statColumns.map(column => `${column} = excluded.${column}`).join(', ')}
    returning restaurant_id, hour
  ), emptied as (
    delete from restaurant_hours as h
    where h.hour >= (select since from retained)
      and not exists (
        select
        from recounted as r
        where r.restaurant_id = h.restaurant_id
          and r.hour = h.hour
      )
  )
  update projection_cursors
  set next_xid = pg_snapshot_xmax(s)::text::bigint,
    under_way = array(select xid::text::bigint from pg_snapshot_xip(s) as xid),
    as_of = statement_timestamp()
  from pg_current_snapshot() as s
  where projection = 'stats'
  returning (select count(*) from recounted) as hours
`
