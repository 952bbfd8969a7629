import { OUT_OF_STOCK, openStatuses } from '../orders/order.ts'

/**
 * The counters, shared by the projection, its rebuild and the invariant. A row covers the orders
 * that were placed at a restaurant in one quarter hour, and their later history. All counters are
 * sums. The hours and days of every time zone consist of whole quarter hours.
 */
export const statColumns = [
  'order_count',
  'revenue_minor',
  'cancellation_count',
  'stock_out_count',
  'placed_count',
  'placed_ms',
  'preparing_count',
  'preparing_ms',
  'out_for_delivery_count',
  'out_for_delivery_ms',
] as const

export const columnsSql = statColumns.join(', ')

/** Returns the beginning of the quarter hour of a time. */
export const quarterHourSql = (time: string) => `date_bin('15 minutes', ${time}, '1970-01-01T00:00:00Z')`

const quarterHour = quarterHourSql('o.placed_at')

const stays = (ms: string, from: string) =>
  openStatuses
    .map(
      status => `
      count(*) filter (where ${from} = '${status}') as ${status.toLowerCase()}_count,
      coalesce(sum(${ms}) filter (where ${from} = '${status}'), 0)::bigint as ${status.toLowerCase()}_ms`,
    )
    .join(',')

const msBetween = (begin: string, end: string) => `(extract(epoch from ${end} - ${begin}) * 1000)::bigint`

/**
 * Returns what events add to each quarter hour. A transition ends the time in the previous status,
 * which began with the transition before.
 * @param events rows with `order_id`, `restaurant_id`, `type` and `payload`: the name of a
 *   materialized query, so that nothing reads the payload of rows that it leaves out
 */
export const addedByEventsSql = (events: string) => `
    select o.restaurant_id, ${quarterHour} as quarter_hour,
      count(*) filter (where e.type = 'order.placed.v1') as order_count,
      sum(case e.type when 'order.placed.v1' then o.total_minor when 'order.cancelled.v1' then -o.total_minor else 0 end) as revenue_minor,
      count(*) filter (where e.type = 'order.cancelled.v1') as cancellation_count,
      count(*) filter (where e.type = 'order.cancelled.v1' and e.payload ->> 'reason' = '${OUT_OF_STOCK}') as stock_out_count,
      ${stays(msBetween('t.at', `(e.payload ->> 'at')::timestamptz`), 't.to_status')}
    from ${events} as e
    join orders as o
      on o.order_id = e.order_id
      and o.restaurant_id = e.restaurant_id
    left join order_transitions as t
      on t.order_id = e.order_id
      and t.restaurant_id = e.restaurant_id
      and t.seq = (e.payload ->> 'seq')::integer - 1
    where e.type in ('order.placed.v1', 'order.cancelled.v1')
      or e.type like 'order.status.%'
    group by o.restaurant_id, ${quarterHour}`

/**
 * Counts the same from the orders and their transitions. The projection must equal this.
 * @param condition which orders `o` to count
 */
export const recountSql = (condition = 'true') => `
    select o.restaurant_id, ${quarterHour} as quarter_hour,
      count(*) filter (where t.seq = 1) as order_count,
      coalesce(sum(o.total_minor) filter (where t.seq = 1 and o.status <> 'CANCELLED'), 0) as revenue_minor,
      count(*) filter (where t.seq = 1 and o.status = 'CANCELLED') as cancellation_count,
      count(*) filter (where t.seq = 1 and o.cancellation_reason = '${OUT_OF_STOCK}') as stock_out_count,
      ${stays(msBetween('t.at', 'n.at'), `case when n.seq is not null then t.to_status end`)}
    from orders as o
    join order_transitions as t
      on t.order_id = o.order_id
      and t.restaurant_id = o.restaurant_id
    left join order_transitions as n
      on n.order_id = t.order_id
      and n.restaurant_id = t.restaurant_id
      and n.seq = t.seq + 1
    where ${condition}
    group by o.restaurant_id, ${quarterHour}`
