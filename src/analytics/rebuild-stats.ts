import type { Tx } from '../db/transaction.ts'
import { type FailedStatistics, isDataError, setAsideFailing } from './set-aside.ts'
import { columnsSql, recountSql, statColumns } from './stats-sql.ts'

/** The rebuild reads every order: it needs no index scans, and takes its time. */
const settings = [
  'transaction_timeout = 0',
  'statement_timeout = 0',
  ...['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort'].map(node => `enable_${node} = on`),
]

/**
 * Recounts the statistics from the orders and their history, which are never deleted, and moves the
 * cursor to the snapshot that was read. Restaurants that were set aside are counted again. Atomic
 * and safe under load: readers see the old figures until the commit, and the projector adds later
 * events afterwards.
 * @returns the number of recounted quarter hours, and the restaurants whose recount failed
 */
export async function rebuildStats(tx: Tx): Promise<{ quarterHours: number; failed: FailedStatistics[] }> {
  for (const setting of settings) await tx.execute(`set local ${setting}`)
  // Waits for a projector; the next statement's snapshot includes what it added.
  await tx.execute(`select from projection_cursors where projection = 'stats' for update`)
  try {
    return { quarterHours: await tx.savepoint(() => rebuildWithout(tx, [])), failed: [] }
  } catch (error) {
    if (!isDataError(error)) throw error
    const rows = await tx.query<{ restaurant_id: string }>('select distinct restaurant_id from orders')
    const failed = await setAsideFailing(
      tx,
      rows.map(({ restaurant_id }) => restaurant_id),
      restaurants => tx.query(countSomeSql, [restaurants]),
      rows.length,
    )
    const ids = failed.map(({ restaurant_id }) => restaurant_id)
    return { quarterHours: await rebuildWithout(tx, ids), failed }
  }
}

/** Rebuilds the statistics of all restaurants but some. @returns the number of quarter hours */
async function rebuildWithout(tx: Tx, failed: readonly string[]): Promise<number> {
  const [result] = await tx.query<{ quarter_hours: number }>(rebuildSql, [failed])
  return result?.quarter_hours ?? 0
}

/** Counts the orders that fulfil a condition. Quarter hours that have none are not written. */
const countSql = (condition: string) => `
    insert into restaurant_quarter_hours (restaurant_id, quarter_hour, ${columnsSql})
    select restaurant_id, quarter_hour, ${columnsSql}
    from (${recountSql(condition)}) as recount
    on conflict (restaurant_id, quarter_hour) do update
    set ${statColumns.map(column => `${column} = excluded.${column}`).join(', ')}`

const countSomeSql = countSql('o.restaurant_id = any($1::uuid[])')

const rebuildSql = `
  with recounted as (${countSql('o.restaurant_id <> all($1::uuid[])')}
    returning restaurant_id, quarter_hour
  ), emptied as (
    delete from restaurant_quarter_hours as q
    where q.restaurant_id <> all($1::uuid[])
      and not exists (
        select
        from recounted as r
        where r.restaurant_id = q.restaurant_id
          and r.quarter_hour = q.quarter_hour
      )
  ), repaired as (
    delete from failed_statistics
    where restaurant_id <> all($1::uuid[])
  )
  update projection_cursors
  set next_xid = pg_snapshot_xmax(s)::text::bigint,
    under_way = array(select xid::text::bigint from pg_snapshot_xip(s) as xid),
    as_of = statement_timestamp(),
    system_identifier = (select s.system_identifier from pg_control_system() as s)
  from pg_current_snapshot() as s
  where projection = 'stats'
  returning (select count(*) from recounted) as quarter_hours
`
