import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Actions of operators on everything that matches a filter, and the objects that matched when the
 * action was created and that the action has not handled yet.
 */
export class ActOnMany1797610000000 implements MigrationInterface {
  name = 'ActOnMany1797610000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table ops_actions (
        action_id uuid not null,
        kind text not null,
        filter jsonb not null,
        actor text not null,
        reason text not null,
        created_at timestamptz not null default clock_timestamp(),
        status text not null default 'RUNNING',
        matched_count integer not null default 0,
        done_count integer not null default 0,
        failed_count integer not null default 0,
        skipped_count integer not null default 0,
        failures jsonb not null default '{}',
        worked_at timestamptz,
        ended_at timestamptz,
        result text,
        constraint actions_are_known_by_id primary key (action_id),
        constraint actions_have_a_known_status check (status in ('RUNNING', 'DONE', 'CANCELLED', 'FAILED')),
        constraint actions_have_an_actor_and_a_reason check (actor <> '' and reason <> ''),
        constraint ended_actions_have_a_time_and_a_result
          check ((status = 'RUNNING') = (ended_at is null) and (status = 'RUNNING') = (result is null)),
        constraint actions_handle_each_match_once
          check (done_count + failed_count + skipped_count <= matched_count
            and (status <> 'DONE' or done_count + failed_count + skipped_count = matched_count))
      )
    `)
    await runner.query(
      `create index ops_actions_running on ops_actions (worked_at nulls first, action_id) where status = 'RUNNING'`,
    )
    await runner.query(`
      create table ops_action_targets (
        action_id uuid not null,
        number integer not null,
        target_id uuid not null,
        constraint targets_of_an_action_are_numbered primary key (action_id, number),
        constraint targets_belong_to_an_action foreign key (action_id) references ops_actions (action_id)
      )
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table ops_action_targets, ops_actions')
  }
}
