import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What operators see of processes, which queues they have paused, and up to where the ledger has been added up. */
export class SeeProcessesAndPauseQueues1795321000000 implements MigrationInterface {
  name = 'SeeProcessesAndPauseQueues1795321000000'

  async up(runner: QueryRunner): Promise<void> {
    // Rewritten every few seconds: room on each page keeps those updates in place.
    await runner.query(`
      create table process_heartbeats (
        process_id uuid not null,
        role text not null,
        host text not null,
        pid integer not null,
        version text not null,
        started_at timestamptz not null default clock_timestamp(),
        beat_at timestamptz not null default clock_timestamp(),
        stopped_at timestamptz,
        working_on jsonb not null default '[]',
        dispatched_last_minute integer,
        constraint processes_are_known_by_id primary key (process_id)
      ) with (fillfactor = 20)
    `)
    await runner.query(`
      create table paused_queues (
        queue text not null,
        paused_at timestamptz not null default clock_timestamp(),
        actor text not null,
        reason text not null,
        constraint a_queue_is_paused_once primary key (queue)
      )
    `)
    await runner.query(`
      create table stock_checkpoints (
        menu_item_id uuid not null,
        restaurant_id uuid not null,
        ledger_qty bigint not null,
        through_movement_id uuid not null,
        last_at timestamptz not null,
        recounted_at timestamptz not null default clock_timestamp(),
        constraint an_item_has_one_checkpoint primary key (menu_item_id, restaurant_id),
        constraint checkpoints_belong_to_a_menu_item
          foreign key (menu_item_id, restaurant_id) references menu_items (menu_item_id, restaurant_id)
      )
    `)
    await runner.query('create index dead_letters_by_order on dead_letters (order_id)')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index dead_letters_by_order')
    await runner.query('drop table stock_checkpoints, paused_queues, process_heartbeats')
  }
}
