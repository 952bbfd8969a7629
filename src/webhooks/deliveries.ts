import type { Sql, Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { MAX_UUID, newId } from '../platform/ids.ts'
import { DELIVERIES_CHANNEL, SWEEP } from './fan-out.ts'

/**
 * The state of the delivery of one event to one webhook. QUEUED has a job. AWAITS_TURN waits for an
 * earlier event of its order, AWAITS_ROOM for capacity; both get a job later.
 */
export type DeliveryState = 'QUEUED' | 'AWAITS_TURN' | 'AWAITS_ROOM' | 'DELIVERED' | 'DEAD' | 'DISCARDED'

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
  const requested = await tx.execute(redeliverSql, [deliveryId, webhookId])
  if (requested !== 1) throw new NotFound('delivery', deliveryId)
  await wakeWorkers(tx)
  return await readDelivery(tx, deliveryId)
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
 * Makes workers sweep for deliveries without a job once this transaction commits. NOTIFY serializes
 * commits; callers are rare enough for that.
 */
export async function wakeWorkers(tx: Tx): Promise<void> {
  await tx.execute(`notify ${DELIVERIES_CHANNEL}, '${SWEEP}'`)
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

/** Reopens a finished delivery without a job, for the sweep to find; makes a retry due at once. */
const redeliverSql = `
  update webhook_deliveries
  set state = case when settled_at is null then state else 'AWAITS_ROOM' end,
    requested_at = case when settled_at is null then requested_at else clock_timestamp() end,
    next_attempt_at = case when settled_at is null and next_attempt_at is not null then clock_timestamp() end,
    settled_at = null,
    reason = null
  where delivery_id = $1
    and webhook_id = $2
`

const testSql = `
  insert into webhook_deliveries (webhook_id, event_id, type, state, requested_at)
  values ($1, $2, $3, 'AWAITS_ROOM', clock_timestamp())
  returning delivery_id
`
