import { NIL_UUID } from '../../platform/ids.ts'
import type { Retention } from '../../platform/retention.ts'
import type { PartitionedTable } from './partitions.ts'

/** Days that rows without a configured period are kept. */
const TRIAL_RETENTION_DAYS = 1
const RATE_LIMIT_RETENTION_DAYS = 1

export interface PrunableTable {
  name: string
  /** the stored retention period of the rows, where there is one */
  retention?: keyof Retention
  sql: string
  /** the key before every other */
  firstKey: string
}

const before = (days: number) => `now() - interval '${days} days'`

/**
 * Deletes rows in the order of `key`. A batch continues where the batch before it ended, so that it
 * does not pass deleted rows again.
 */
const byKey = (table: string, key: string, condition: string, type: 'uuid' | 'timestamptz' = 'uuid') => ({
  firstKey: type === 'uuid' ? NIL_UUID : '-infinity',
  sql: `
  with expired as materialized (
    select ${key}
    from ${table}
    where ${key} > $2::text::${type}
      and ${condition}
    order by ${key}
    limit $3
  ), deleted as (
    delete from ${table}
    where ${key} = any(array(select ${key} from expired))
      and ${condition}
  )
  select count(*)::integer as count, (select ${key}::text from expired order by ${key} desc limit 1) as last
  from expired`,
})

/** Deletes rows of a small table, in any order. */
const byPlace = (table: string, condition: string) => ({
  firstKey: '',
  sql: `
  with expired as materialized (
    select ctid
    from ${table}
    where ${condition}
      and coalesce($1::timestamptz, now()) is not null
      and $2::text is not null
    limit $3
  ), deleted as (
    delete from ${table}
    where ctid = any(array(select ctid from expired))
  )
  select count(*)::integer as count, null as last
  from expired`,
})

/** Returns what is deleted of a partitioned table, or of its default partition. */
export function prunableEvents(table: PartitionedTable, relation: string): PrunableTable {
  const isUnneeded =
    table === 'processed_events'
      ? 'true'
      : `dispatched_at is not null
      and not exists (
        select
        from webhook_deliveries as d
        where d.event_id = ${relation}.event_id
          and d.settled_at is null
      )`
  return {
    name: table,
    retention: table,
    ...byKey(relation, 'event_id', `event_id < uuidv7_at($1) and ${isUnneeded}`),
  }
}

/**
 * Tables without partitions that are pruned, with a statement each. $1 is the time before which
 * rows are deleted, $2 the key after which, and $3 the rows per batch. It returns the count of rows
 * and the last key.
 */
export const prunableTables: readonly PrunableTable[] = [
  {
    name: 'job_trials',
    ...byPlace('job_trials', `begun_at < ${before(TRIAL_RETENTION_DAYS)}`),
  },
  {
    name: 'rate_limits',
    ...byPlace(
      'rate_limits',
      `expire < (extract(epoch from ${before(RATE_LIMIT_RETENTION_DAYS)}) * 1000)::bigint`,
    ),
  },
  {
    name: 'idempotency_keys',
    retention: 'idempotency_keys',
    ...byKey('idempotency_keys', 'created_at', 'created_at < $1::timestamptz', 'timestamptz'),
  },
  {
    name: 'webhook_deliveries',
    retention: 'webhook_deliveries',
    ...byKey(
      'webhook_deliveries',
      'delivery_id',
      `delivery_id < uuidv7_at($1)
      and settled_at is not null`,
    ),
  },
  {
    name: 'webhook_attempts',
    retention: 'webhook_deliveries',
    ...byKey(
      'webhook_attempts',
      'delivery_id',
      `delivery_id < uuidv7_at($1)
      and not exists (
        select
        from webhook_deliveries as d
        where d.delivery_id = webhook_attempts.delivery_id
      )`,
    ),
  },
  {
    name: 'webhook_secrets',
    ...byPlace('webhook_secrets', 'expires_at < now()'),
  },
  {
    name: 'webhooks',
    retention: 'webhook_deliveries',
    ...byPlace(
      'webhooks',
      `status = 'DELETED'
      and updated_at < $1::timestamptz
      and not exists (
        select
        from webhook_deliveries as d
        where d.webhook_id = webhooks.webhook_id
      )`,
    ),
  },
]
