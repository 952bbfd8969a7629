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
    failed: 'restaurants whose events cannot be added, see ops.failed_statistics',
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
      ), (
        select count(*)
        from failed_statistics
        where c.projection = 'stats'
      )
      from projection_cursors as c`,
}

export const failedStatisticsView: View = {
  name: 'failed_statistics',
  comment:
    'Restaurants whose events cannot be added to the statistics: set aside until `npm run stats:rebuild`',
  columns: {
    restaurant_id: 'id of the restaurant',
    name: 'name of the restaurant',
    as_of: 'time up to which all events of the restaurant have been added',
    failed_at: 'time of the failure',
    error: 'error message of the database',
  },
  sql: `
      select f.restaurant_id, r.name, f.as_of, f.failed_at, f.error
      from failed_statistics as f
      left join restaurants as r
        on r.restaurant_id = f.restaurant_id`,
}

const isCounted = (restaurant: string) => `
          not exists (
            select
            from failed_statistics as f
            where f.restaurant_id = ${restaurant}
          )`

/**
 * Exact at any moment: the view adds the pending events itself, in the same snapshot. Reads nothing
 * of a restaurant that is set aside, because that would fail again, but names it.
 */
export const statsInvariant: View = {
  name: 'check_statistics_are_a_recount',
  comment:
    'Quarter hours of a restaurant whose statistics, including pending events, differ from a recount of the orders; restaurants whose statistics are set aside',
  columns: {
    restaurant_id: 'id of the restaurant',
    quarter_hour: 'quarter hour in which the orders were placed; null: the restaurant is set aside',
    counted: 'statistics from the events; null: none',
    recounted: 'statistics from the orders and their history; null: none',
    error: 'why the restaurant is set aside',
  },
  sql: `
      with pending as materialized (
        select e.order_id, e.restaurant_id, e.type, e.payload
        from projection_cursors as c
        join outbox_events as e
          on e.xid >= c.next_xid::text::xid8
        where c.projection = 'stats'
          and ${isCounted('e.restaurant_id')}
        union all
        select e.order_id, e.restaurant_id, e.type, e.payload
        from projection_cursors as c
        cross join unnest(c.under_way) as u (xid)
        join outbox_events as e
          on e.xid = u.xid::text::xid8
        where c.projection = 'stats'
          and ${isCounted('e.restaurant_id')}
      )
      select restaurant_id, quarter_hour, to_jsonb(counted), to_jsonb(recounted), null
      from (
        select restaurant_id, quarter_hour, ${statColumns.map(column => `sum(${column}) as ${column}`).join(', ')}
        from (
          select restaurant_id, quarter_hour, ${columnsSql}
          from restaurant_quarter_hours as q
          where ${isCounted('q.restaurant_id')}
          union all
          select restaurant_id, quarter_hour, ${columnsSql}
          from (${addedByEventsSql('pending')}) as added
        ) as parts
        group by restaurant_id, quarter_hour
      ) as counted
      full join (
        select restaurant_id, quarter_hour, ${columnsSql}
        from (${recountSql(isCounted('o.restaurant_id'))}) as orders_by_quarter_hour
      ) as recounted using (restaurant_id, quarter_hour)
      where to_jsonb(counted) is distinct from to_jsonb(recounted)
      union all
      select restaurant_id, null, null, null, error
      from failed_statistics`,
}
