import { OUT_OF_STOCK, openStatuses } from '../orders/order.ts'

/**
 * The counters, shared by the projection, its rebuild and the invariant. A row covers the orders
 * that were placed at a restaurant in one hour, and their later history. All counters are sums.
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

const hour = `date_trunc('hour', o.placed_at, 'UTC')`

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
 * Returns what events add to each hour. A transition ends the time in the previous status, which
 * began with the transition before.
 * @param events SQL of rows with `order_id`, `restaurant_id`, `type` and `payload`
 */
export const addedByEventsSql = (events: string) => `
    select o.restaurant_id, ${hour} as hour,
      count(*) filter (where e.type = 'order.placed.v1') as order_count,
      sum(case e.type when 'order.placed.v1' then o.total_minor when 'order.cancelled.v1' then -o.total_minor else 0 end)::bigint as revenue_minor,
      count(*) filter (where e.type = 'order.cancelled.v1') as cancellation_count,
      count(*) filter (where e.type = 'order.cancelled.v1' and e.payload ->> 'reason' = '${OUT_OF_STOCK}') as stock_out_count,
      ${stays(msBetween('t.at', `(e.payload ->> 'at')::timestamptz`), 't.to_status')}
    from (${events}) as e
    join orders as o
      on o.order_id = e.order_id
      and o.restaurant_id = e.restaurant_id
    left join order_transitions as t
      on t.order_id = e.order_id
      and t.restaurant_id = e.restaurant_id
      and t.seq = (e.payload ->> 'seq')::integer - 1
    where e.type in ('order.placed.v1', 'order.cancelled.v1')
      or e.type like 'order.status.%'
    group by o.restaurant_id, ${hour}`

/** Counts the same from the orders and their transitions. The projection must equal this. */
export const recountSql = `
    select o.restaurant_id, ${hour} as hour,
      count(*) filter (where t.seq = 1) as order_count,
      coalesce(sum(o.total_minor) filter (where t.seq = 1 and o.status <> 'CANCELLED'), 0)::bigint as revenue_minor,
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
    group by o.restaurant_id, ${hour}`
