import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What operators change, and what became of a dead letter that was redriven. */
export class AuditOperators1795312800000 implements MigrationInterface {
  name = 'AuditOperators1795312800000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table ops_audit (
        audit_id uuid not null,
        at timestamptz not null default clock_timestamp(),
        actor text not null,
        action text not null,
        reason text not null,
        details jsonb not null,
        constraint audits_are_known_by_id primary key (audit_id),
        constraint changes_have_an_actor_and_a_reason check (actor <> '' and reason <> '')
      )
    `)
    await runner.query(`
      alter table dead_letters
        add column redriven_job_id uuid,
        add constraint redriven_letters_name_their_job check ((fate = 'REDRIVEN') = (redriven_job_id is not null))
    `)
    await runner.query('create index dead_letters_by_event on dead_letters (event_id)')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index dead_letters_by_event')
    await runner.query('alter table dead_letters drop column redriven_job_id')
    await runner.query('drop table ops_audit')
  }
}
