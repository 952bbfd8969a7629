import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * An order that is PREPARING can be ready: a row of its history with a `fact`, which keeps the
 * status. No existing order is ready. Statistics of the time until orders are ready begin empty.
 */
export class MarkOrdersReady1796900000000 implements MigrationInterface {
  name = 'MarkOrdersReady1796900000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table order_transitions
        add column fact text,
        add constraint facts_are_known check (fact in ('READY', 'UNREADY')),
        add constraint only_facts_keep_the_status
          check (case when fact is null then from_status is distinct from to_status
            else from_status = 'PREPARING' and to_status = 'PREPARING' end)
    `)
    await runner.query(`
      alter table orders
        add column ready_at timestamptz,
        add constraint placed_orders_are_not_ready check (ready_at is null or status <> 'PLACED')
    `)
    await runner.query(`
      alter table restaurant_quarter_hours
        add column ready_count bigint not null default 0,
        add column ready_ms bigint not null default 0
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('alter table restaurant_quarter_hours drop column ready_count, drop column ready_ms')
    await runner.query('alter table orders drop column ready_at')
    await runner.query('alter table order_transitions drop column fact')
  }
}
