import type { MigrationInterface, QueryRunner } from 'typeorm'

const counts =
  'order_count, cancellation_count, stock_out_count, placed_count, placed_ms, preparing_count, preparing_ms, out_for_delivery_count, out_for_delivery_ms'.split(
    ', ',
  )
const sums = ['revenue_minor', ...counts].join(', ')

/**
 * Statistics by quarter hour, of which the days and hours of every time zone consist. Counted from
 * the orders and their history, because the events of the old hours may be pruned; the cursor moves
 * to the snapshot of that count. Revenue is exact beyond 64 bits. `failed_statistics` names
 * restaurants whose events cannot be added, so that all others proceed.
 *
 * Processes of the previous version use the table of hours that is dropped: until they stop, their
 * workers log a failed update every 2 seconds, and their API answers 500 for statistics.
 */
export class CountQuarterHours1796410000000 implements MigrationInterface {
  name = 'CountQuarterHours1796410000000'

  async up(runner: QueryRunner): Promise<void> {
    // Rewritten as orders progress: free space on each page keeps those updates in place.
    await runner.query(`
      create table restaurant_quarter_hours (
        restaurant_id uuid not null,
        quarter_hour timestamptz not null,
        revenue_minor numeric not null,
        ${counts.map(column => `${column} bigint not null`).join(', ')},
        constraint restaurants_have_each_quarter_hour_once primary key (restaurant_id, quarter_hour),
        constraint quarter_hours_are_whole
          check (quarter_hour = date_bin('15 minutes', quarter_hour, '1970-01-01T00:00:00Z'))
      ) with (fillfactor = 70)
    `)
    await runner.query(`
      create table failed_statistics (
        restaurant_id uuid not null,
        as_of timestamptz not null,
        failed_at timestamptz not null default clock_timestamp(),
        error text not null,
        constraint restaurants_fail_once primary key (restaurant_id)
      )
    `)
    // A worker that adds events holds this lock; the count sees all that it added.
    await runner.query(`select from projection_cursors where projection = 'stats' for update`)
    await runner.query(fillSql)
    await runner.query('drop schema if exists ops cascade')
    await runner.query('drop table restaurant_hours')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table restaurant_hours (
        restaurant_id uuid not null,
        hour timestamptz not null,
        ${sums
          .split(', ')
          .map(column => `${column} bigint not null`)
          .join(', ')},
        constraint a_restaurant_has_each_hour_once primary key (restaurant_id, hour),
        constraint hours_are_whole check (hour = date_trunc('hour', hour, 'UTC'))
      ) with (fillfactor = 70)
    `)
    await runner.query(`select from projection_cursors where projection = 'stats' for update`)
    await runner.query(`
      insert into restaurant_hours (restaurant_id, hour, ${sums})
      select restaurant_id, date_trunc('hour', quarter_hour, 'UTC'), ${sums
        .split(', ')
        .map(column => `least(sum(${column}), ${2n ** 63n - 1n})`)
        .join(', ')}
      from restaurant_quarter_hours
      group by 1, 2
    `)
    await runner.query('drop schema if exists ops cascade')
    await runner.query('drop table restaurant_quarter_hours, failed_statistics')
  }
}

const stays = ['PLACED', 'PREPARING', 'OUT_FOR_DELIVERY']
  .map(
    status => `
      count(ended.at) filter (where step.to_status = '${status}'),
      coalesce(sum((extract(epoch from ended.at - step.at) * 1000)::bigint) filter (where step.to_status = '${status}'), 0)`,
  )
  .join(',')

const fillSql = `
  with filled as (
    insert into restaurant_quarter_hours (restaurant_id, quarter_hour, ${sums})
    select o.restaurant_id, date_bin('15 minutes', o.placed_at, '1970-01-01T00:00:00Z'),
      coalesce(sum(o.total_minor) filter (where step.seq = 1 and o.status <> 'CANCELLED'), 0),
      count(*) filter (where step.seq = 1),
      count(*) filter (where step.seq = 1 and o.status = 'CANCELLED'),
      count(*) filter (where step.seq = 1 and o.cancellation_reason = 'OUT_OF_STOCK'),
      ${stays}
    from orders as o
    join order_transitions as step using (order_id, restaurant_id)
    left join order_transitions as ended
      on ended.order_id = step.order_id
      and ended.restaurant_id = step.restaurant_id
      and ended.seq = step.seq + 1
    group by 1, 2
  )
  update projection_cursors
  set next_xid = pg_snapshot_xmax(s)::text::bigint,
    under_way = array(select xid::text::bigint from pg_snapshot_xip(s) as xid),
    as_of = statement_timestamp()
  from pg_current_snapshot() as s
  where projection = 'stats'
`
