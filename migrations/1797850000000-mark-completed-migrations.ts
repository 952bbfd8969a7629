import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * When the run of `npm run migrate` that ran a migration had also created queues, views and grants.
 * Processes of the new version start only then.
 */
export class MarkCompletedMigrations1797850000000 implements MigrationInterface {
  name = 'MarkCompletedMigrations1797850000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table schema_migrations add column completed_at timestamptz')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table schema_migrations drop column completed_at')
  }
}
