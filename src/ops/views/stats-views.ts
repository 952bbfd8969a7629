import { addedByEventsSql, columnsSql, recountSql, statColumns } from '../../analytics/stats-sql.ts'
import type { View } from './view.ts'

/** Events that are counted; beyond them the figure says only that there are as many. */
const MAX_COUNTED = 20_000

/** How far what is counted from events has got. */
export const projectionsView: View = {
  name: 'projections',
  comment: 'What is counted from events, and how far that has got: `stats` is the statistics of restaurants',
  columns: {
    projection: 'what is counted',
    as_of: 'up to when events have been added; a worker looks every two seconds',
    behind_seconds: 'how long ago that is',
    pending: `committed events that are still to be added; ${MAX_COUNTED} stands for as many or more`,
  },
  sql: `
      select c.projection, c.as_of, extract(epoch from now() - c.as_of)::numeric(12, 1), (
        select count(*)::integer
        from (
          select 1
          from outbox_events as e
          where e.xid >= c.next_xid::text::xid8
            and e.xid < pg_snapshot_xmax(pg_current_snapshot())
          limit ${MAX_COUNTED}
        ) as bounded
      )
      from projection_cursors as c`,
}

const pending = `
          select e.order_id, e.restaurant_id, e.type, e.payload
          from projection_cursors as c
          join outbox_events as e
            on e.xid >= c.next_xid::text::xid8
          where c.projection = 'stats'
          union all
          select e.order_id, e.restaurant_id, e.type, e.payload
          from projection_cursors as c
          cross join unnest(c.under_way) as u (xid)
          join outbox_events as e
            on e.xid = u.xid::text::xid8
          where c.projection = 'stats'`

/** Exact at any moment: what is still to be added is added here, in the same snapshot. */
export const statsInvariant: View = {
  name: 'check_statistics_are_a_recount',
  comment:
    'Hours of a restaurant whose statistics, with the events that are still to be added, are not what its orders come to',
  columns: {
    restaurant_id: 'the restaurant',
    hour: 'the hour in which the orders were placed',
    counted: 'what the events have come to; null: nothing',
    recounted: 'what the orders and their history come to; null: there are none',
  },
  sql: `
      select restaurant_id, hour, to_jsonb(counted), to_jsonb(recounted)
      from (
        select restaurant_id, hour, ${statColumns.map(column => `sum(${column})::bigint as ${column}`).join(', ')}
        from (
          select restaurant_id, hour, ${columnsSql}
          from restaurant_hours
          union all
          select restaurant_id, hour, ${columnsSql}
          from (${addedByEventsSql(pending)}) as added
        ) as parts
        group by restaurant_id, hour
      ) as counted
      full join (
        select restaurant_id, hour, ${columnsSql}
        from (${recountSql}) as orders_by_hour
      ) as recounted using (restaurant_id, hour)
      where to_jsonb(counted) is distinct from to_jsonb(recounted)`,
}
