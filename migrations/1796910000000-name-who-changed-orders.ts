import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Each transition by a client keeps the name of the API key or the subject of the token. It is
 * unknown for existing transitions, and for those that the previous version writes.
 */
export class NameWhoChangedOrders1796910000000 implements MigrationInterface {
  name = 'NameWhoChangedOrders1796910000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table order_transitions
        add column by text,
        add constraint only_clients_have_a_name check (by is null or actor = 'client')
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('alter table order_transitions drop column by')
  }
}
