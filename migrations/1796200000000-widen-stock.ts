import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Stock and its movements may be any number of units, so that cancelled orders can be restored to an
 * item that was filled up meanwhile. Views of the schema `ops` read the columns and block the change
 * of their type, so they are dropped; `npm run migrate` recreates them after the migrations. Both
 * tables are rewritten under an exclusive lock.
 */
export class WidenStock1796200000000 implements MigrationInterface {
  name = 'WidenStock1796200000000'

  async up(runner: QueryRunner): Promise<void> {
    await changeType(runner, 'bigint')
  }

  async down(runner: QueryRunner): Promise<void> {
    await changeType(runner, 'integer')
  }
}

async function changeType(runner: QueryRunner, type: 'bigint' | 'integer'): Promise<void> {
  await runner.query('drop schema if exists ops cascade')
  await runner.query(`alter table menu_items alter column available_qty type ${type}`)
  await runner.query(`alter table stock_movements alter column delta type ${type}`)
}
