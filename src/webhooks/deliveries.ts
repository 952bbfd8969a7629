import type { Sql, Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { MAX_UUID, newId } from '../platform/ids.ts'

/**
 * Name of the deliveries among the queues of the workers: to pause them, and in dead letters and
 * metrics. It is no queue of pg-boss: the rows of `webhook_deliveries` that are due are the queue.
 */
export const DELIVERIES = 'downstream.deliver'

/** NOTIFY channel that wakes delivery workers when deliveries have become due. */
export const DELIVERIES_CHANNEL = 'comanda_deliveries'
/** Payload that makes them discard the pending deliveries of disabled and deleted webhooks. */
export const DISCARD = 'discard'

/** The state of a delivery that is not finished. */
export const PENDING = 'PENDING'

/** The state of the delivery of one event to one webhook. */
export type DeliveryState = typeof PENDING | 'DELIVERED' | 'DEAD' | 'DISCARDED'

/** One attempt to send a delivery. */
interface Attempt {
  /** RFC 3339 */
  at: string
  /** HTTP status of the response; null: none was received */
  status: number | null
  duration_ms: number
  answer: string | null
  error: string | null
}

export interface Delivery {
  delivery_id: string
  webhook_id: string
  event_id: string
  type: string
  order_id: string | null
  state: DeliveryState
  reason: string | null
  attempts: number
  /** null: finished, or waiting for an earlier event of its order */
  next_attempt_at: Date | null
  created_at: Date
  settled_at: Date | null
  /** the latest attempts, newest first */
  recent: Attempt[]
}

/** Type of the event that tests a webhook. It is not in the catalogue and never in the outbox. */
export const TEST_EVENT = 'webhook.test'

/** Maximum attempts that are returned with a delivery. */
const MAX_ATTEMPT_COUNT = 12

/**
 * Returns deliveries of a webhook, newest first, each with its latest attempts.
 * @param before id of the last delivery of the previous page
 */
export async function listDeliveries(
  sql: Sql,
  webhookId: string,
  before: string | undefined,
  count: number,
): Promise<Delivery[]> {
  return await sql.query<Delivery>(listSql, [webhookId, before ?? MAX_UUID, count])
}

/**
 * Sends a delivery again, or, while it waits for a retry, at once. It keeps its id, so that the
 * endpoint can deduplicate. A redelivery of a finished delivery does not wait for other events of
 * its order.
 * @throws NotFound
 */
export async function redeliver(tx: Tx, webhookId: string, deliveryId: string): Promise<Delivery> {
  const found = await tx.query(lockSql, [deliveryId, webhookId])
  if (found.length === 0) throw new NotFound('delivery', deliveryId)
  await reopenDeliveries(tx, [deliveryId])
  await retryNow(tx, [deliveryId])
  return await readDelivery(tx, deliveryId)
}

/**
 * Sends deliveries again, as {@link redeliver}, of any webhook.
 * @returns the ids of those that exist
 */
export async function redeliverMany(tx: Tx, deliveryIds: readonly string[]): Promise<string[]> {
  const missing = new Set(await reopenDeliveries(tx, deliveryIds))
  await retryNow(tx, deliveryIds)
  return deliveryIds.filter(id => !missing.has(id))
}

/** Sends a test event to a webhook, once, even when the webhook is disabled. */
export async function sendTest(tx: Tx, webhookId: string): Promise<Delivery> {
  const [row] = await tx.query<{ delivery_id: string }>(testSql, [webhookId, newId(), TEST_EVENT])
  if (!row) throw new Error('the test delivery was not inserted')
  await wakeWorkers(tx)
  return await readDelivery(tx, row.delivery_id)
}

async function readDelivery(sql: Sql, deliveryId: string): Promise<Delivery> {
  const [delivery] = await sql.query<Delivery>(readSql, [deliveryId])
  if (!delivery) throw new NotFound('delivery', deliveryId)
  return delivery
}

/**
 * Makes deliveries due now that wait for their next attempt.
 * @returns false when all are finished, being sent, or waiting for an earlier one of their order
 */
export async function retryNow(tx: Tx, deliveryIds: readonly string[]): Promise<boolean> {
  const isDue = (await tx.execute(dueNowSql, [deliveryIds])) > 0
  if (isDue) await wakeWorkers(tx)
  return isDue
}

/**
 * Reopens finished deliveries, e.g. dead ones, for a new round of attempts. Pending ones stay as
 * they are.
 * @returns the ids of those that do not exist
 */
export async function reopenDeliveries(tx: Tx, deliveryIds: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ delivery_id: string }>(reopenSql, [deliveryIds])
  await wakeWorkers(tx)
  const found = new Set(rows.map(({ delivery_id }) => delivery_id))
  return deliveryIds.filter(id => !found.has(id))
}

/**
 * Wakes the delivery workers once this transaction commits. NOTIFY serializes commits; callers are
 * rare enough for that.
 */
export async function wakeWorkers(tx: Tx): Promise<void> {
  await tx.execute(`notify ${DELIVERIES_CHANNEL}`)
}

/** Makes workers discard the pending deliveries of webhooks that this transaction disables. */
export async function requestDiscards(tx: Tx): Promise<void> {
  await tx.execute(`notify ${DELIVERIES_CHANNEL}, '${DISCARD}'`)
}

const selectSql = `
  select delivery_id, webhook_id, event_id, type, order_id, state, reason, attempts, next_attempt_at, created_at, settled_at,
    coalesce((
      select json_agg(json_build_object('at', at, 'status', status, 'duration_ms', duration_ms, 'answer', answer,
        'error', error) order by attempt_id desc)
      from (
        select attempt_id, at, status, duration_ms, answer, error
        from webhook_attempts as a
        where a.delivery_id = d.delivery_id
        order by attempt_id desc
        limit ${MAX_ATTEMPT_COUNT}
      ) as latest
    ), '[]') as recent
  from webhook_deliveries as d`

const listSql = `
  ${selectSql}
  where webhook_id = $1
    and delivery_id < $2
  order by delivery_id desc
  limit $3
`

const readSql = `
  ${selectSql}
  where delivery_id = $1
`

const lockSql = `
  select 1
  from webhook_deliveries
  where delivery_id = $1
    and webhook_id = $2
  for update
`

const reopenSql = `
  with found as (
    select delivery_id
    from webhook_deliveries
    where delivery_id = any($1::uuid[])
    order by delivery_id
    for update
  ),
  reopened as (
    update webhook_deliveries
    set state = '${PENDING}', requested_at = clock_timestamp(), next_attempt_at = clock_timestamp(), tries = 0,
      settled_at = null, reason = null
    where delivery_id = any(array(select delivery_id from found))
      and settled_at is not null
  )
  select delivery_id
  from found
`

const dueNowSql = `
  update webhook_deliveries
  set next_attempt_at = least(next_attempt_at, clock_timestamp())
  where delivery_id = any($1::uuid[])
    and state = '${PENDING}'
    and next_attempt_at is not null
    and (leased_until is null or leased_until < clock_timestamp())
`

const testSql = `
  insert into webhook_deliveries (webhook_id, event_id, type, requested_at)
  values ($1, $2, $3, clock_timestamp())
  returning delivery_id
`
