import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Which jobs a worker is at, so that the one its process dies of is found. */
export class RecordJobTrials1795309200000 implements MigrationInterface {
  name = 'RecordJobTrials1795309200000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table job_trials (
        queue text not null,
        job_id uuid not null,
        alone boolean not null,
        begun_at timestamptz not null default clock_timestamp(),
        constraint a_job_is_on_trial_once primary key (queue, job_id)
      )
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table job_trials')
  }
}
