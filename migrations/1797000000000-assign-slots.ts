import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Since when orders and menu items have the slot of their restaurant. Existing ids stay as they
 * are, because clients have stored them; only ids of before can differ.
 */
export class AssignSlots1797000000000 implements MigrationInterface {
  name = 'AssignSlots1797000000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table slot_assignment (
        since timestamptz not null default clock_timestamp(),
        only_row boolean not null default true,
        constraint slots_are_assigned_since_one_time primary key (only_row),
        constraint there_is_only_one_row check (only_row)
      )
    `)
    await runner.query('insert into slot_assignment default values')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table slot_assignment')
  }
}
