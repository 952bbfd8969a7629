import { addedByEventsSql, columnsSql, recountSql, statColumns } from '../../analytics/stats-sql.ts'
import type { View } from './view.ts'

/** Events that are counted at most. */
const MAX_COUNTED = 20_000

export const projectionsView: View = {
  name: 'projections',
  comment: 'Progress of the projections of events: `stats` is the statistics of restaurants',
  columns: {
    projection: 'name of the projection',
    as_of: 'time up to which all events have been added; a worker adds new events every 2 seconds',
    behind_seconds: 'seconds since as_of',
    pending: `committed events that are not added yet; ${MAX_COUNTED} means as many or more`,
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

/** Exact at any moment: the view adds the pending events itself, in the same snapshot. */
export const statsInvariant: View = {
  name: 'check_statistics_are_a_recount',
  comment:
    'Hours of a restaurant whose statistics, including pending events, differ from a recount of the orders',
  columns: {
    restaurant_id: 'id of the restaurant',
    hour: 'hour in which the orders were placed',
    counted: 'statistics from the events; null: none',
    recounted: 'statistics from the orders and their history; null: none',
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
