import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What was answered to requests that carried an Idempotency-Key. */
export class RememberIdempotencyKeys1795338000000 implements MigrationInterface {
  name = 'RememberIdempotencyKeys1795338000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table idempotency_keys (
        caller text not null,
        key text not null,
        fingerprint text not null,
        status smallint not null,
        headers json not null,
        body json not null,
        order_id uuid,
        created_at timestamptz not null default clock_timestamp(),
        constraint a_caller_uses_a_key_once primary key (caller, key),
        constraint only_successes_are_remembered check (status between 200 and 299)
      )
    `)
    await runner.query('create index idempotency_keys_by_age on idempotency_keys (created_at)')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table idempotency_keys')
  }
}
