import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import {
  DELIVERY_RETENTION_DAYS,
  IDEMPOTENCY_RETENTION_DAYS,
  OUTBOX_RETENTION_DAYS,
  PROCESSED_RETENTION_DAYS,
} from '../../platform/retention.ts'

/** Rows a statement: short transactions, so that nobody waits and vacuum keeps up. */
const BATCH_COUNT = 2_000
/** Rows of a table a run; what is left waits for the next. */
const MAX_RUN_COUNT = 2_000_000
const TRIAL_RETENTION_DAYS = 1
const RATE_LIMIT_RETENTION_DAYS = 1
const DAY_MS = 86_400_000

/** What is pruned: by the time in its id, or by a time of its own. */
const tables = [
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
    bound: oldestIdOf,
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
    bound: oldestIdOf,
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
    bound: oldestIdOf,
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
    bound: oldestIdOf,
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

/**
 * Deletes what is past its time, in small batches. Never a dead letter, never an event that is not dispatched, never
 * the record of processing within the horizon of a redrive. Completed jobs are pg-boss's to delete, after 7 days.
 * @returns rows deleted, by table
 */
export async function prune(database: Database, now: Date, log: Logger): Promise<Record<string, number>> {
  const pruned: Record<string, number> = {}
  for (const { name, days, sql, bound } of tables) {
    const before = bound(new Date(now.getTime() - days * DAY_MS))
    let count = 0
    for (let batch = BATCH_COUNT; batch === BATCH_COUNT && count < MAX_RUN_COUNT; count += batch) {
      batch = await database.execute(sql, [before, BATCH_COUNT])
    }
    pruned[name] = count
  }
  log.info(pruned, 'pruned what is past its time')
  return pruned
}

/** The least UUIDv7 of a time: what is below it is older. */
function oldestIdOf(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
