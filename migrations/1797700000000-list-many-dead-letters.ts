import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Lists and counts a million dead letters by decision and queue without reading them. The second
 * index replaces `dead_letters_open`. Built concurrently, because workers add dead letters
 * meanwhile. An index that an interrupted build left behind is invalid and is built again.
 */
export class ListManyDeadLetters1797700000000 implements MigrationInterface {
  name = 'ListManyDeadLetters1797700000000'
  transaction = false

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, columns] of Object.entries(indexes)) {
      await runner.query(`drop index concurrently if exists ${name}`)
      await runner.query(`create index concurrently ${name} on dead_letters (${columns})`)
    }
    await runner.query('drop index concurrently if exists dead_letters_open')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`create index dead_letters_open on dead_letters (dead_at) where fate = 'OPEN'`)
    await runner.query(`drop index ${Object.keys(indexes).join(', ')}`)
  }
}

const indexes = {
  dead_letters_by_fate_and_queue: 'fate, queue, dead_at, dead_letter_id',
  dead_letters_by_fate: 'fate, dead_at, dead_letter_id',
}
