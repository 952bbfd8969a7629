import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * An action of operators whose transaction fails is tried again later with fewer objects, so that
 * other actions go first.
 */
export class PostponeFailingActions1797860000000 implements MigrationInterface {
  name = 'PostponeFailingActions1797860000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table ops_actions
        add column due_at timestamptz not null default clock_timestamp(),
        add column chunk_count integer not null default 500,
        add column failed_attempts integer not null default 0,
        add column error text,
        add constraint actions_change_objects_in_chunks check (chunk_count > 0)
    `)
    await runner.query(
      `create index ops_actions_due on ops_actions (due_at, action_id) where status = 'RUNNING'`,
    )
    await runner.query('drop index ops_actions_running')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `create index ops_actions_running on ops_actions (worked_at nulls first, action_id) where status = 'RUNNING'`,
    )
    await runner.query(
      'alter table ops_actions drop column due_at, drop column chunk_count, drop column failed_attempts, drop column error',
    )
  }
}
