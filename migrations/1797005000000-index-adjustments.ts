import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Finds the adjustments in the ledger, of which nearly all rows are deductions of orders. */
export class IndexAdjustments1797005000000 implements MigrationInterface {
  name = 'IndexAdjustments1797005000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `create index adjustments_by_time on stock_movements (movement_id) where kind = 'ADJUST'`,
    )
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index adjustments_by_time')
  }
}
