import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * A sequence may be any positive integer. Views of the schema `ops` read the column and block the change of its type, so they
 * are dropped; `npm run migrate` recreates them after the migrations. The table is rewritten under an exclusive lock.
 */
export class WidenEventSequences1795827600000 implements MigrationInterface {
  name = 'WidenEventSequences1795827600000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('alter table webhook_deliveries alter column sequence type integer')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('alter table webhook_deliveries alter column sequence type smallint')
  }
}
