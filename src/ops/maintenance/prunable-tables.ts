import {
  DELIVERY_RETENTION_DAYS,
  IDEMPOTENCY_RETENTION_DAYS,
  OUTBOX_RETENTION_DAYS,
  PROCESSED_RETENTION_DAYS,
} from '../../platform/retention.ts'

const TRIAL_RETENTION_DAYS = 1
const RATE_LIMIT_RETENTION_DAYS = 1

/**
 * Tables that are pruned, with a statement each: `$1` is the bound, `$2` the rows to delete at
 * most. `bound` turns the earliest time to keep into a value of the column that is compared.
 */
export const prunableTables = [
  {
    name: 'outbox_events',
    days: OUTBOX_RETENTION_DAYS,
    sql: `
      delete from outbox_events
      where event_id = any(array(
        select event_id
        from outbox_events
        where event_id < $1
          and dispatched_at is not null
        order by event_id
        limit $2
      ))`,
    bound: firstIdOf,
  },
  {
    name: 'processed_events',
    days: PROCESSED_RETENTION_DAYS,
    sql: `
      delete from processed_events
      where event_id = any(array(
        select event_id
        from processed_events
        where event_id < $1
        order by event_id
        limit $2
      ))`,
    bound: firstIdOf,
  },
  {
    name: 'job_trials',
    days: TRIAL_RETENTION_DAYS,
    sql: `
      delete from job_trials
      where ctid = any(array(
        select ctid
        from job_trials
        where begun_at < $1
        limit $2
      ))`,
    bound: (time: Date) => time,
  },
  {
    name: 'rate_limits',
    days: RATE_LIMIT_RETENTION_DAYS,
    sql: `
      delete from rate_limits
      where ctid = any(array(
        select ctid
        from rate_limits
        where expire < $1
        limit $2
      ))`,
    bound: (time: Date) => time.getTime(),
  },
  {
    name: 'idempotency_keys',
    days: IDEMPOTENCY_RETENTION_DAYS,
    sql: `
      delete from idempotency_keys
      where ctid = any(array(
        select ctid
        from idempotency_keys
        where created_at < $1
        order by created_at
        limit $2
      ))`,
    bound: (time: Date) => time,
  },
  {
    name: 'webhook_deliveries',
    days: DELIVERY_RETENTION_DAYS,
    sql: `
      delete from webhook_deliveries
      where delivery_id = any(array(
        select delivery_id
        from webhook_deliveries
        where delivery_id < $1
          and settled_at is not null
        order by delivery_id
        limit $2
      ))`,
    bound: firstIdOf,
  },
  {
    name: 'webhook_attempts',
    days: DELIVERY_RETENTION_DAYS,
    sql: `
      delete from webhook_attempts
      where attempt_id = any(array(
        select a.attempt_id
        from webhook_attempts as a
        where a.delivery_id < $1
          and not exists (select 1 from webhook_deliveries as d where d.delivery_id = a.delivery_id)
        order by a.delivery_id
        limit $2
      ))
        and delivery_id < $1`,
    bound: firstIdOf,
  },
  {
    name: 'webhook_secrets',
    days: 0,
    sql: `
      delete from webhook_secrets
      where ctid = any(array(
        select ctid
        from webhook_secrets
        where expires_at < least($1, clock_timestamp())
        limit $2
      ))`,
    bound: (time: Date) => time,
  },
  {
    name: 'webhooks',
    days: DELIVERY_RETENTION_DAYS,
    sql: `
      delete from webhooks
      where webhook_id = any(array(
        select w.webhook_id
        from webhooks as w
        where w.status = 'DELETED'
          and w.updated_at < $1
          and not exists (select 1 from webhook_deliveries as d where d.webhook_id = w.webhook_id)
        limit $2
      ))`,
    bound: (time: Date) => time,
  },
] as const

/** Returns the smallest UUIDv7 of a time; smaller ids are older. */
function firstIdOf(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
