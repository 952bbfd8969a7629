import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Makes `webhook_deliveries` the queue of the deliveries: a worker leases a row that is due, and
 * pg-boss has no jobs for them any more. Waiting deliveries and their jobs are carried over.
 *
 * Processes of the previous version keep running meanwhile. Rows that their dispatchers and APIs
 * write get their new state by default or by trigger. Their workers cannot record outcomes without
 * `job_id`: those deliveries are sent again.
 */
export class QueueDeliveriesInTheirTable1797100000000 implements MigrationInterface {
  name = 'QueueDeliveriesInTheirTable1797100000000'

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement)
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of undo) await runner.query(statement)
  }
}

const OLD_PENDING = `('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM')`
/** Longer than an attempt takes. */
const LEASE_SECONDS = 20

/**
 * Carries over what pg-boss knows: a job that has failed, but is not recorded as such; the attempts
 * and the time of the next one; an attempt that a worker is making; and a redriven dead letter.
 */
const carryOver = `
  do $$
  begin
    if to_regclass('pgboss.job') is null then
      return;
    end if;
    update webhook_deliveries as d
    set state = 'DEAD', settled_at = coalesce(j.completed_on, clock_timestamp()), next_attempt_at = null, requested_at = null
    from pgboss.job as j
    where j.name = 'downstream.deliver'
      and j.id = coalesce(d.job_id, d.delivery_id)
      and j.state = 'failed'
      and d.state = 'QUEUED';
    update webhook_deliveries as d
    set tries = j.retry_count + case when j.started_on is null then 0 else 1 end,
      next_attempt_at = case when j.state = 'retry' then j.start_after end,
      leased_until = case when j.state = 'active' then clock_timestamp() + interval '${LEASE_SECONDS} seconds' end
    from pgboss.job as j
    where j.name = 'downstream.deliver'
      and j.id = coalesce(d.job_id, d.delivery_id)
      and j.state < 'completed'
      and d.state = 'QUEUED';
    update webhook_deliveries as d
    set state = 'QUEUED', settled_at = null, requested_at = clock_timestamp()
    from pgboss.job as j
    where j.name = 'downstream.deliver'
      and j.state < 'completed'
      and d.delivery_id = (j.data ->> 'delivery_id')::uuid
      and d.state = 'DEAD';
    delete from pgboss.job where name = 'downstream.deliver';
  end
  $$`

const statements = [
  'drop schema if exists ops cascade',
  'drop index webhook_deliveries_unsettled, webhook_deliveries_without_job, webhook_deliveries_due',
  `alter table webhook_deliveries
    add column tries smallint not null default 0,
    add column lease_id uuid,
    add column leased_until timestamptz,
    alter column state set default 'PENDING',
    drop constraint deliveries_have_a_known_state`,
  carryOver,
  `update webhook_deliveries
  set state = 'PENDING', next_attempt_at = coalesce(next_attempt_at, clock_timestamp())
  where state in ${OLD_PENDING}`,
  `alter table webhook_deliveries
    alter column next_attempt_at set default clock_timestamp(),
    drop column job_id,
    add constraint deliveries_have_a_known_state check (state in ('PENDING', 'DELIVERED', 'DEAD', 'DISCARDED'))`,
  // The order of the deliveries of each order.
  `create index webhook_deliveries_pending on webhook_deliveries (webhook_id, order_id, sequence)
    where state = 'PENDING'`,
  // The queue. A delivery that waits for an earlier one of its order is not in it.
  `create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_attempt_at, delivery_id)
    where state = 'PENDING' and next_attempt_at is not null`,
  `create function accept_former_delivery_states() returns trigger language plpgsql as $$
  begin
    new.state := 'PENDING';
    new.next_attempt_at := clock_timestamp();
    new.tries := 0;
    return new;
  end
  $$`,
  `create trigger former_delivery_states before insert or update of state on webhook_deliveries
    for each row when (new.state in ${OLD_PENDING}) execute function accept_former_delivery_states()`,
]

const undo = [
  'drop schema if exists ops cascade',
  'drop trigger former_delivery_states on webhook_deliveries',
  'drop function accept_former_delivery_states',
  'drop index webhook_deliveries_pending, webhook_deliveries_due',
  `alter table webhook_deliveries
    drop constraint deliveries_have_a_known_state,
    alter column state set default 'QUEUED',
    alter column next_attempt_at drop default,
    add column job_id uuid`,
  `update webhook_deliveries
  set state = case when order_id is null or requested_at is not null then 'AWAITS_ROOM' else 'AWAITS_TURN' end,
    next_attempt_at = null
  where state = 'PENDING'`,
  `alter table webhook_deliveries
    drop column tries,
    drop column lease_id,
    drop column leased_until,
    add constraint deliveries_have_a_known_state
      check (state in ('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM', 'DELIVERED', 'DEAD', 'DISCARDED'))`,
  `create index webhook_deliveries_unsettled on webhook_deliveries (webhook_id, order_id, sequence) where state in ${OLD_PENDING}`,
  `create index webhook_deliveries_without_job on webhook_deliveries (state, webhook_id, delivery_id)
    where state in ('AWAITS_TURN', 'AWAITS_ROOM')`,
  `create index webhook_deliveries_due on webhook_deliveries (next_attempt_at)
    where state = 'QUEUED' and next_attempt_at is not null`,
]
