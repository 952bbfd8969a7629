import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Finds orders by the code that people call out, and dead letters by job and by time of death. Built
 * concurrently, because large tables of a running system must take orders meanwhile. An index that
 * an interrupted build left behind is invalid and is built again.
 */
export class FindOrdersAndDeadLetters1797400000000 implements MigrationInterface {
  name = 'FindOrdersAndDeadLetters1797400000000'
  transaction = false

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, on] of Object.entries(indexes)) {
      await runner.query(`drop index concurrently if exists ${name}`)
      await runner.query(`create index concurrently ${name} on ${on}`)
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop index ${Object.keys(indexes).join(', ')}`)
  }
}

const indexes = {
  // The five hexadecimal digits of an id that are its code (`src/platform/order-code.ts`).
  orders_by_code: 'orders (substr(order_id::text, 29, 5))',
  dead_letters_by_job: 'dead_letters (job_id)',
  dead_letters_by_death: 'dead_letters (dead_at, dead_letter_id)',
}
