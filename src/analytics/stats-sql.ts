import { OUT_OF_STOCK, openStatuses, PREPARING_SEQ } from '../orders/order.ts'

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
  'ready_count',
  'ready_ms',
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
 * Returns the number of the transition that began the status before a transition. Facts keep the
 * status PREPARING, so that this is not always the transition before.
 */
const beginningSql = (previousStatus: string, seq: string) =>
  `case ${previousStatus} when 'PREPARING' then ${PREPARING_SEQ} else ${seq} - 1 end`

const at = `(e.payload ->> 'at')::timestamptz`
const seq = `(e.payload ->> 'seq')::integer`

/**
 * Returns what events add to each quarter hour. A transition ends the time in the previous status.
 * When READY is taken back, its time is subtracted.
 * @param events rows with `order_id`, `restaurant_id`, `type` and `payload`: the name of a
 *   materialized query, so that nothing reads the payload of rows that it leaves out
 */
export const addedByEventsSql = (events: string) => `
    select o.restaurant_id, ${quarterHour} as quarter_hour,
      count(*) filter (where e.type = 'order.placed.v1') as order_count,
      sum(case e.type when 'order.placed.v1' then o.total_minor when 'order.cancelled.v1' then -o.total_minor else 0 end) as revenue_minor,
      count(*) filter (where e.type = 'order.cancelled.v1') as cancellation_count,
      count(*) filter (where e.type = 'order.cancelled.v1' and e.payload ->> 'reason' = '${OUT_OF_STOCK}') as stock_out_count,
      ${stays(msBetween('t.at', at), `nullif(t.to_status, e.payload ->> 'status')`)},
      count(*) filter (where e.type = 'order.ready.v1') - count(*) filter (where e.type = 'order.unready.v1') as ready_count,
      coalesce(sum(case e.type
        when 'order.ready.v1' then ${msBetween('t.at', at)}
        when 'order.unready.v1' then -(
          select ${msBetween('t.at', 'r.at')}
          from order_transitions as r
          where r.order_id = e.order_id
            and r.restaurant_id = e.restaurant_id
            and r.seq = ${seq} - 1
        )
      end), 0)::bigint as ready_ms
    from ${events} as e
    join orders as o
      on o.order_id = e.order_id
      and o.restaurant_id = e.restaurant_id
    left join order_transitions as t
      on t.order_id = e.order_id
      and t.restaurant_id = e.restaurant_id
      and t.seq = ${beginningSql(`e.payload ->> 'previous_status'`, seq)}
    where e.type in ('order.placed.v1', 'order.cancelled.v1', 'order.ready.v1', 'order.unready.v1')
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
      ${stays(msBetween('b.at', 't.at'), 'nullif(b.to_status, t.to_status)')},
      count(o.ready_at) filter (where t.seq = ${PREPARING_SEQ}) as ready_count,
      coalesce(sum(${msBetween('t.at', 'o.ready_at')}) filter (where t.seq = ${PREPARING_SEQ}), 0)::bigint as ready_ms
    from orders as o
    join order_transitions as t
      on t.order_id = o.order_id
      and t.restaurant_id = o.restaurant_id
    left join order_transitions as b
      on b.order_id = t.order_id
      and b.restaurant_id = t.restaurant_id
      and b.seq = ${beginningSql('t.from_status', 't.seq')}
    where ${condition}
    group by o.restaurant_id, ${quarterHour}`
