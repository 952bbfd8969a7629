import type { MigrationInterface, QueryRunner } from 'typeorm'

const sums =
  'order_count, revenue_minor, cancellation_count, stock_out_count, placed_count, placed_ms, preparing_count, preparing_ms, out_for_delivery_count, out_for_delivery_ms'

/**
 * What restaurants did, by the hour in which the orders were placed, and up to where events have been added to it. One
 * statement fills it from the orders there are, and sets the cursor to the snapshot that it saw.
 */
export class ProjectStats1795420060000 implements MigrationInterface {
  name = 'ProjectStats1795420060000'

  async up(runner: QueryRunner): Promise<void> {
    // Rewritten as orders fare: room on each page keeps those updates in place.
    await runner.query(`
      create table restaurant_hours (
        restaurant_id uuid not null,
        hour timestamptz not null,
        ${sums
          .split(', ')
          .map(sum => `${sum} bigint not null`)
          .join(', ')},
        constraint a_restaurant_has_each_hour_once primary key (restaurant_id, hour),
        constraint hours_are_whole check (hour = date_trunc('hour', hour, 'UTC'))
      ) with (fillfactor = 70)
    `)
    await runner.query(`
      create table projection_cursors (
        projection text not null,
        next_xid bigint not null,
        under_way bigint[] not null,
        as_of timestamptz not null,
        constraint a_projection_has_one_cursor primary key (projection)
      )
    `)
    await runner.query(fillSql)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table projection_cursors, restaurant_hours')
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
    insert into restaurant_hours (restaurant_id, hour, ${sums})
    select o.restaurant_id, date_trunc('hour', o.placed_at, 'UTC'),
      count(*) filter (where step.seq = 1),
      coalesce(sum(o.total_minor) filter (where step.seq = 1 and o.status <> 'CANCELLED'), 0),
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
  insert into projection_cursors (projection, next_xid, under_way, as_of)
  select 'stats', pg_snapshot_xmax(s)::text::bigint, array(select xid::text::bigint from pg_snapshot_xip(s) as xid),
    statement_timestamp()
  from pg_current_snapshot() as s
`
