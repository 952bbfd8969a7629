import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Each adjustment of stock has a code for its reason. Adjustments from before, which only operators
 * could insert, are corrections.
 */
export class RecordReasonCodes1796510000000 implements MigrationInterface {
  name = 'RecordReasonCodes1796510000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table stock_movements add column reason_code text')
    await runner.query(`update stock_movements set reason_code = 'CORRECTION' where kind = 'ADJUST'`)
    await runner.query(`
      alter table stock_movements
        add constraint adjustments_have_a_reason_code check ((kind = 'ADJUST') = (reason_code is not null)),
        add constraint reason_codes_are_known
          check (reason_code in ('WASTE', 'CORRECTION', 'THEFT', 'OTHER'))
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('alter table stock_movements drop column reason_code')
  }
}
