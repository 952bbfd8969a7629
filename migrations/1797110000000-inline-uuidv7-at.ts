import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Makes `uuidv7_at` a function that Postgres inlines. `extract(epoch from timestamptz)` is STABLE,
 * so the body was executed as an SQL function, per row. PostgreSQL 18.4 crashes when it executes an
 * SQL function to choose partitions: a backend that claimed webhook deliveries ended with a
 * segmentation fault, and the server restarted. The difference to a constant time is IMMUTABLE.
 */
export class InlineUuidv7At1797110000000 implements MigrationInterface {
  name = 'InlineUuidv7At1797110000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(withEpoch(`extract(epoch from at - timestamptz 'epoch')`))
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(withEpoch('extract(epoch from at)'))
  }
}

const withEpoch = (epoch: string) => `
  create or replace function uuidv7_at(at timestamptz) returns uuid
  language sql immutable strict parallel safe
  return (lpad(to_hex(floor(${epoch} * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
`
