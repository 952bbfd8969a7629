import {
  DELIVERY_RETENTION_DAYS,
  IDEMPOTENCY_RETENTION_DAYS,
  OUTBOX_RETENTION_DAYS,
  PROCESSED_RETENTION_DAYS,
} from '../../platform/retention.ts'

const TRIAL_RETENTION_DAYS = 1
const RATE_LIMIT_RETENTION_DAYS = 1

/** SQL: the time before which rows are deleted, by the clock of the database. */
const before = (days: number) => `now() - interval '${days} days'`
/** SQL: an id of that time; smaller ids are older. */
const idBefore = (days: number) => `(select uuidv7(interval '-${days} days'))`

/** Tables that are pruned, with a statement each. `$1` is the rows to delete at most. */
export const prunableTables = [
  {
    name: 'outbox_events',
    sql: `
      delete from outbox_events
      where event_id = any(array(
        select event_id
        from outbox_events
        where event_id < ${idBefore(OUTBOX_RETENTION_DAYS)}
          and dispatched_at is not null
        order by event_id
        limit $1
      ))`,
  },
  {
    name: 'processed_events',
    sql: `
      delete from processed_events
      where event_id = any(array(
        select event_id
        from processed_events
        where event_id < ${idBefore(PROCESSED_RETENTION_DAYS)}
        order by event_id
        limit $1
      ))`,
  },
  {
    name: 'job_trials',
    sql: `
      delete from job_trials
      where ctid = any(array(
        select ctid
        from job_trials
        where begun_at < ${before(TRIAL_RETENTION_DAYS)}
        limit $1
      ))`,
  },
  {
    name: 'rate_limits',
    sql: `
      delete from rate_limits
      where ctid = any(array(
        select ctid
        from rate_limits
        where expire < (extract(epoch from ${before(RATE_LIMIT_RETENTION_DAYS)}) * 1000)::bigint
        limit $1
      ))`,
  },
  {
    name: 'idempotency_keys',
    sql: `
      delete from idempotency_keys
      where ctid = any(array(
        select ctid
        from idempotency_keys
        where created_at < ${before(IDEMPOTENCY_RETENTION_DAYS)}
        order by created_at
        limit $1
      ))`,
  },
  {
    name: 'webhook_deliveries',
    sql: `
      delete from webhook_deliveries
      where delivery_id = any(array(
        select delivery_id
        from webhook_deliveries
        where delivery_id < ${idBefore(DELIVERY_RETENTION_DAYS)}
          and settled_at is not null
        order by delivery_id
        limit $1
      ))`,
  },
  {
    name: 'webhook_attempts',
    sql: `
      delete from webhook_attempts
      where attempt_id = any(array(
        select a.attempt_id
        from webhook_attempts as a
        where a.delivery_id < ${idBefore(DELIVERY_RETENTION_DAYS)}
          and not exists (select 1 from webhook_deliveries as d where d.delivery_id = a.delivery_id)
        order by a.delivery_id
        limit $1
      ))
        and delivery_id < ${idBefore(DELIVERY_RETENTION_DAYS)}`,
  },
  {
    name: 'webhook_secrets',
    sql: `
      delete from webhook_secrets
      where ctid = any(array(
        select ctid
        from webhook_secrets
        where expires_at < now()
        limit $1
      ))`,
  },
  {
    name: 'webhooks',
    sql: `
      delete from webhooks
      where webhook_id = any(array(
        select w.webhook_id
        from webhooks as w
        where w.status = 'DELETED'
          and w.updated_at < ${before(DELIVERY_RETENTION_DAYS)}
          and not exists (select 1 from webhook_deliveries as d where d.webhook_id = w.webhook_id)
        limit $1
      ))`,
  },
] as const
