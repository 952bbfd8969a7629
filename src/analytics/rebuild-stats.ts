import type { Tx } from '../db/transaction.ts'
import { OUTBOX_RETENTION_DAYS } from '../platform/retention.ts'
import { addedByEventsSql, columnsSql, statColumns } from './stats-sql.ts'

/** Every event is read: nothing here is meant to walk an index, or to be over in a moment. */
const settings = [
  'transaction_timeout = 0',
  'statement_timeout = 0',
  ...['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort'].map(node => `enable_${node} = on`),
]

/**
 * Makes the statistics anew of the events that are kept, and sets the cursor to where they were read; hours whose events may
 * not all be kept any more stay as they are. Atomic, and safe while events come in: readers see the old ones until it is done,
 * and what comes meanwhile is added afterwards.
 * @returns how many hours were made
 */
export async function rebuildStats(tx: Tx): Promise<number> {
  for (const setting of settings) await tx.execute(`set local ${setting}`)
  // Whoever adds events is waited for, and comes back later; what they added is in the next statement's snapshot.
  await tx.execute(`select from projection_cursors where projection = 'stats' for update`)
  const [made] = await tx.query<{ hours: number }>(rebuildSql)
  return made?.hours ?? 0
}

/**
 * Events are pruned by their age, while this runs, too: what is rebuilt is the hours that are wholly younger than that, by an
 * hour more for clocks that differ.
 */
const rebuildSql = `
  with kept as materialized (
    select date_trunc('hour', now() - interval '${OUTBOX_RETENTION_DAYS} days', 'UTC') + interval '2 hours' as since
  ), made as (
    insert into restaurant_hours (restaurant_id, hour, ${columnsSql})
    select restaurant_id, hour, ${columnsSql}
    from (${addedByEventsSql('select order_id, restaurant_id, type, payload from outbox_events')}) as added
    where hour >= (select since from kept)
    on conflict (restaurant_id, hour) do update
    set ${statColumns.map(column => `${column} = excluded.${column}`).join(', ')}
    returning restaurant_id, hour
  ), unmade as (
    delete from restaurant_hours as h
    where h.hour >= (select since from kept)
      and not exists (
        select
        from made as m
        where m.restaurant_id = h.restaurant_id
          and m.hour = h.hour
      )
  )
  update projection_cursors
  set next_xid = pg_snapshot_xmax(s)::text::bigint,
    under_way = array(select xid::text::bigint from pg_snapshot_xip(s) as xid),
    as_of = statement_timestamp()
  from pg_current_snapshot() as s
  where projection = 'stats'
  returning (select count(*) from made) as hours
`
