import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Restaurants and items that take no orders for now, what they look like to two who change them, and why stock came. */
export class TakeThingsOffTheMenu1795345200000 implements MigrationInterface {
  name = 'TakeThingsOffTheMenu1795345200000'

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['restaurants', 'menu_items']) {
      await runner.query(`
        alter table ${table}
          add column deactivated_at timestamptz,
          add column version integer not null default 1
      `)
    }
    await runner.query(`
      alter table stock_movements
        add column reason text,
        add constraint restocks_have_a_reason check (kind <> 'RESTOCK' or reason is not null)
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table stock_movements drop column reason')
    for (const table of ['restaurants', 'menu_items'])
      await runner.query(`alter table ${table} drop column deactivated_at, drop column version`)
  }
}
