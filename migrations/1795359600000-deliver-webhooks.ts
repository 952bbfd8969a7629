import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Who is told of events by HTTP, what each is to be told, and what came of it. */
export class DeliverWebhooks1795359600000 implements MigrationInterface {
  name = 'DeliverWebhooks1795359600000'

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table webhook_attempts, webhook_deliveries, webhooks')
  }
}

const statements = [
  `create table webhooks (
    webhook_id uuid not null,
    owner text not null,
    url text not null,
    description text,
    event_types text[] not null,
    type_patterns text[] not null,
    restaurant_ids uuid[],
    status text not null default 'ACTIVE',
    disabled_reason text,
    disabled_at timestamptz,
    secret text,
    previous_secret text,
    previous_secret_until timestamptz,
    failing_since timestamptz,
    last_success_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    version integer not null default 1,
    constraint webhooks_are_known_by_id primary key (webhook_id),
    constraint webhooks_have_a_known_status check (status in ('ACTIVE', 'DISABLED', 'DELETED')),
    constraint disabled_webhooks_have_a_reason_and_a_time
      check ((status = 'DISABLED') <= (disabled_reason in ('BY_OWNER', 'FAILING', 'GONE') and disabled_at is not null)),
    constraint deleted_webhooks_keep_no_secret
      check ((status = 'DELETED') = (secret is null) and (status <> 'DELETED' or previous_secret is null)),
    constraint previous_secrets_end check ((previous_secret is null) = (previous_secret_until is null)),
    constraint webhooks_hear_of_something
      check (cardinality(event_types) > 0 and cardinality(type_patterns) = cardinality(event_types)),
    constraint bound_webhooks_name_a_restaurant check (cardinality(restaurant_ids) > 0)
  )`,
  `create index webhooks_active on webhooks (webhook_id) where status = 'ACTIVE'`,
  // No foreign keys: rows are made by the thousand with the events that they are of, and pruned by the same clock.
  `create table webhook_deliveries (
    delivery_id uuid not null default uuidv7(),
    webhook_id uuid not null,
    event_id uuid not null,
    type text not null,
    restaurant_id uuid,
    order_id uuid,
    sequence smallint,
    state text not null default 'QUEUED',
    job_id uuid,
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    requested_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz,
    reason text,
    constraint deliveries_are_known_by_id primary key (delivery_id),
    constraint a_webhook_hears_of_an_event_once unique (event_id, webhook_id),
    constraint deliveries_have_a_known_state
      check (state in ('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM', 'DELIVERED', 'DEAD', 'DISCARDED')),
    constraint settled_deliveries_have_a_time
      check ((state in ('DELIVERED', 'DEAD', 'DISCARDED')) = (settled_at is not null)),
    constraint discarded_deliveries_have_a_reason check ((state = 'DISCARDED') = (reason is not null)),
    constraint deliveries_about_an_order_have_a_place check ((order_id is null) = (sequence is null))
  ) with (fillfactor = 70)`,
  `create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, delivery_id)`,
  // What is not settled, each order's in its order: who must wait for whom.
  `create index webhook_deliveries_unsettled on webhook_deliveries (webhook_id, order_id, sequence)
    where state in ('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM')`,
  `create index webhook_deliveries_without_job on webhook_deliveries (state, webhook_id, delivery_id)
    where state in ('AWAITS_TURN', 'AWAITS_ROOM')`,
  `create index webhook_deliveries_due on webhook_deliveries (next_attempt_at)
    where state = 'QUEUED' and next_attempt_at is not null`,
  `create table webhook_attempts (
    delivery_id uuid not null,
    attempt_id uuid not null default uuidv7(),
    at timestamptz not null,
    status smallint,
    duration_ms integer not null,
    answer text,
    error text,
    constraint attempts_are_known_by_delivery_and_id primary key (delivery_id, attempt_id),
    constraint attempts_have_a_status_or_an_error check (status is not null or error is not null)
  )`,
]
