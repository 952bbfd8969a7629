import type { ClientBase } from 'pg'
import { columnsSql, recountSql } from '../../src/analytics/stats-sql.ts'

const RESTAURANTS = 100
const ITEMS = 1_000

/**
 * Fills the tables as years of operation would. The later half of the orders still have their
 * events and jobs, and a few of them show each kind of problem that operators look for.
 * @param orders number of orders
 */
export async function fillTables(client: ClientBase, orders: number): Promise<void> {
  await client.query(
    `set synchronous_commit = off; set session_replication_role = replica; set work_mem = '256MB'`,
  )
  for (const statement of statements(orders)) await client.query(statement)
  await client.query('reset session_replication_role; reset work_mem')
  await client.query('vacuum analyze')
  await client.query('checkpoint')
}

/** Makes the `order.prepare` jobs pending again, as if no worker had run since they were queued. */
export async function makeBacklog(client: ClientBase): Promise<void> {
  await client.query(
    `update pgboss.job
    set state = 'created', completed_on = null, started_on = null, start_after = created_on
    where name = 'order.prepare'`,
  )
  await client.query('vacuum analyze pgboss.job')
}

/**
 * Makes a dead letter of the prepare job of every second order, with one of ten errors; the workers
 * of a system whose code is wrong leave as many.
 */
export async function fillDeadLetters(client: ClientBase, count: number): Promise<void> {
  await client.query(`set synchronous_commit = off; set work_mem = '256MB'`)
  await client.query(
    `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts, first_queued_at, dead_at)
    select uuidv7(), 'order.prepare', uuidv7(), uuidv7(), 'inventory.deducted.success.v1', order_id,
      jsonb_build_object('order_id', order_id), jsonb_build_object('message', 'broken in step ' || n % 10), 13, at, at
    from (
      select order_id, placed_at as at, row_number() over () as n
      from orders
      limit $1
    ) as numbered`,
    [count],
  )
  await client.query('reset work_mem')
  await client.query('vacuum analyze dead_letters')
}

function statements(orders: number): string[] {
  const later = Math.floor(orders / 2)
  return [
    `create temporary table filling as
    select n, uuidv7(-interval '5 ms' * (${orders} - n) - interval '10 minutes') as order_id,
      now() - interval '5 ms' * (${orders} - n) - interval '10 minutes' as at,
      n % ${ITEMS} as item,
      uuidv7() as placed_id, uuidv7() as deducted_id, uuidv7() as preparing_id
    from generate_series(1, ${orders}) as n`,
    `insert into restaurants (restaurant_id, name, currency, currency_decimals)
    select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'Restaurant ' || n, 'EUR', 2
    from generate_series(0, ${RESTAURANTS - 1}) as n`,
    `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty)
    select ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid,
      ('00000000-0000-7000-8000-' || lpad(to_hex(n % ${RESTAURANTS}), 12, '0'))::uuid, 'Dish ' || n, 950, 1000000
    from generate_series(0, ${ITEMS - 1}) as n`,
    `create temporary table dish as
    select row_number() over (order by menu_item_id) - 1 as item, menu_item_id, restaurant_id from menu_items`,
    'analyze filling',
    'analyze dish',
    `insert into stock_movements (movement_id, restaurant_id, menu_item_id, kind, delta, at)
    select uuidv7(interval '-400 days'), restaurant_id, menu_item_id, 'INITIAL', 1000000 + ordered, now() - interval '400 days'
    from dish
    join (select item, count(*) as ordered from filling group by item) as demand using (item)`,
    `insert into orders (order_id, restaurant_id, status, version, currency, currency_decimals, total_minor, placed_at, updated_at)
    select order_id, restaurant_id, 'PREPARING', 2, 'EUR', 2, 950, at, at
    from filling join dish using (item)
    order by order_id`,
    `insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
    select order_id, restaurant_id, menu_item_id, 1, 'Dish', 950, 1
    from filling join dish using (item)
    order by order_id`,
    `insert into order_transitions (order_id, restaurant_id, seq, from_status, to_status, actor, at)
    select order_id, restaurant_id, seq, case seq when 2 then 'PLACED' end, case seq when 1 then 'PLACED' else 'PREPARING' end,
      'system', at
    from filling join dish using (item), generate_series(1, 2) as seq
    order by order_id`,
    `insert into stock_movements (movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta, at)
    select uuidv7(-interval '5 ms' * (${orders} - n) - interval '10 minutes'), restaurant_id, menu_item_id, order_id, placed_id, 'DEDUCT', -1, at
    from filling join dish using (item)`,
    ...(
      [
        ['placed_id', 'order.placed.v1'],
        ['deducted_id', 'inventory.deducted.success.v1'],
        ['preparing_id', 'order.status.preparing.v1'],
      ] as const
    ).map(
      ([
        id,
        type,
      ]) => `insert into outbox_events (event_id, restaurant_id, type, order_id, payload, created_at, dispatched_at, attempts)
      select ${id}, restaurant_id, '${type}', order_id, '{}', at, at, 1
      from filling join dish using (item)
      where n > ${later}`,
    ),
    ...(
      [
        ['placed_id', 'inventory.deduct', 'order.placed.v1'],
        ['deducted_id', 'order.prepare', 'inventory.deducted.success.v1'],
      ] as const
    ).map(
      ([
        id,
        queue,
        type,
      ]) => `insert into pgboss.job (id, name, data, state, retry_limit, created_on, start_after, started_on, completed_on, policy, dead_letter)
      select ${id}, '${queue}',
        jsonb_build_object('event_id', ${id}, 'type', '${type}', 'order_id', order_id, 'restaurant_id', restaurant_id),
        'completed', 12, at, at, at + interval '3 ms', at + interval '9 ms', 'standard', 'dead-letters'
      from filling join dish using (item)
      where n > ${later}`,
    ),
    // Some of each kind of problem.
    `update pgboss.job set state = 'created', started_on = null, completed_on = null
    where name = 'inventory.deduct' and id in (select placed_id from filling where n > ${orders - 500})`,
    `update pgboss.job set state = 'retry', retry_count = 3, completed_on = null, output = '{"message":"lock timeout"}'
    where name = 'order.prepare' and id in (select deducted_id from filling where n between ${orders - 1_000} and ${orders - 500})`,
    `update pgboss.job set state = 'failed', retry_count = 12, output = '{"message":"broken"}'
    where name = 'order.prepare' and id in (select deducted_id from filling where n between ${later} and ${later + 500})`,
    `update orders set status = 'PLACED' where order_id in (select order_id from filling where n > ${orders - 1_000})`,
    `update outbox_events set dispatched_at = null
    where event_id in (select preparing_id from filling where n > ${orders - 2_000})`,
    `update outbox_events set dispatched_at = null, quarantined_at = now(), error = 'unknown event type'
    where event_id in (select preparing_id from filling where n between ${later} and ${later + 200})`,
    `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, error, attempts, first_queued_at, dead_at)
    select uuidv7(), 'order.prepare', deducted_id, deducted_id, 'inventory.deducted.success.v1', order_id,
      '{"message":"broken"}', 13, at, at
    from filling where n between ${later} and ${later + 500}`,
    // The statistics include all events; otherwise workers would first process every one of them.
    `insert into restaurant_quarter_hours (restaurant_id, quarter_hour, ${columnsSql})
    select restaurant_id, quarter_hour, ${columnsSql} from (${recountSql()}) as recounted`,
    `update projection_cursors
    set next_xid = pg_snapshot_xmax(s)::text::bigint, under_way = '{}', as_of = now()
    from pg_current_snapshot() as s`,
  ]
}
