import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Stores how long rows of each table are kept, for processes and views of `ops`, and the time before
 * which rows may have been deleted. Until now, periods were fixed: the first values are those.
 */
export class RecordRetention1796800000000 implements MigrationInterface {
  name = 'RecordRetention1796800000000'

  async up(runner: QueryRunner): Promise<void> {
    // The smallest UUIDv7 of a time, and so the bound of a scan over ids by their age.
    await runner.query(`
      create function uuidv7_at(at timestamptz) returns uuid
      language sql immutable strict parallel safe
      return (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
    `)
    await runner.query(`
      create table retention (
        name text not null,
        minutes integer not null,
        kept_since timestamptz not null,
        constraint retention_periods_are_known_by_table primary key (name),
        constraint retention_periods_are_positive check (minutes > 0)
      )
    `)
    await runner.query(`
      insert into retention (name, minutes, kept_since)
      select name, days * 24 * 60, clock_timestamp() - days * interval '1 day'
      from (values
        ('outbox_events', 30),
        ('processed_events', 45),
        ('webhook_deliveries', 30),
        ('idempotency_keys', 1)
      ) as period (name, days)
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('drop table retention')
    await runner.query('drop function uuidv7_at')
  }
}
