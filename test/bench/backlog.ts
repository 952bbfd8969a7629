import type { Menu } from '../support/pipeline.ts'
import type { BenchSystem } from './bench-system.ts'

const CHUNK_COUNT = 100_000

/** Inserts `count` PLACED orders of one line each, with undispatched events, as the API would. */
export async function addBacklog(
  system: BenchSystem,
  { restaurant_id, menu_item_ids }: Menu,
  count: number,
): Promise<void> {
  for (let done = 0; done < count; done += CHUNK_COUNT) {
    const values = [restaurant_id, menu_item_ids, Math.min(CHUNK_COUNT, count - done)]
    await system.query(backlogSql, values)
  }
  // A real backlog grows slowly, so that vacuum and checkpoints have processed its rows.
  await system.query('vacuum analyze orders, order_items, order_transitions, outbox_events')
  await system.query('checkpoint')
}

const backlogSql = `
  with placed as materialized (
    select uuidv7() as order_id, uuidv7() as event_id, clock_timestamp() as at, ($2::uuid[])[1 + n % cardinality($2::uuid[])] as menu_item_id
    from generate_series(1, $3::integer) as n
  ), orders as (
    insert into orders (order_id, restaurant_id, status, version, currency, currency_decimals, total_minor, placed_at, updated_at)
    select order_id, $1::uuid, 'PLACED', 1, 'EUR', 2, 950, at, at
    from placed
  ), items as (
    insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
    select order_id, $1::uuid, menu_item_id, 1, 'Dish', 950, 1
    from placed
  ), transitions as (
    insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, at)
    select order_id, $1::uuid, 1, 'PLACED', 'client', at
    from placed
  )
  insert into outbox_events (event_id, restaurant_id, type, order_id, payload, trace_context)
  select event_id, $1::uuid, 'order.placed.v1', order_id,
    jsonb_build_object('order_id', order_id, 'restaurant_id', $1::uuid, 'customer_id', null, 'currency', 'EUR',
      'total_amount', '9.50', 'placed_at', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'items', jsonb_build_array(
        jsonb_build_object('menu_item_id', menu_item_id, 'name', 'Dish', 'quantity', 1, 'price', '9.50'))),
    '{"request_id": "backlog"}'
  from placed
`
