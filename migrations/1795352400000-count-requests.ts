import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Requests of each caller in its window, in the shape that rate-limiter-flexible works on; worth no WAL. */
export class CountRequests1795352400000 implements MigrationInterface {
  name = 'CountRequests1795352400000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create unlogged table rate_limits (
        key varchar(255) not null,
        points integer not null default 0,
        expire bigint,
        constraint callers_are_counted_once primary key (key)
      ) with (fillfactor = 50)
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table rate_limits')
  }
}
