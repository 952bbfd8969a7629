import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Holds events back while the queue of one of their steps is full. The index finds pending events
 * of other types without reading the held ones. Dispatchers record the full queues in the table,
 * for operators.
 */
export class HoldEvents1797200000000 implements MigrationInterface {
  name = 'HoldEvents1797200000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create index outbox_events_pending_by_type on outbox_events (type, event_id)
      where dispatched_at is null and quarantined_at is null
    `)
    await runner.query(`
      create table held_queues (
        queue text primary key,
        held_at timestamptz not null default clock_timestamp(),
        counted_at timestamptz not null
      )
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table held_queues')
    await runner.query('drop index outbox_events_pending_by_type')
  }
}
