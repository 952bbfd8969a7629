import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Which transaction wrote an event: with it, what has been committed since a snapshot is found without loss, although
 * transactions commit in another order than they begin. Added and given its default apart, so that no row is rewritten;
 * events from before have none and stay out of the index.
 */
export class NumberEventsByTransaction1795420000000 implements MigrationInterface {
  name = 'NumberEventsByTransaction1795420000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table outbox_events add column xid xid8')
    await runner.query('alter table outbox_events alter column xid set default pg_current_xact_id()')
    await runner.query(`
      create index outbox_events_by_transaction on outbox_events (xid, restaurant_id)
        where xid is not null
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table outbox_events drop column xid')
  }
}
