import type { Sql, Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { MAX_UUID, newId } from '../platform/ids.ts'
import { DELIVERIES_CHANNEL, LOOK } from './fan-out.ts'

/** One event for one subscription. Unsettled: it has a job, or waits for an earlier event of its order, or for room. */
export type DeliveryState = 'QUEUED' | 'AWAITS_TURN' | 'AWAITS_ROOM' | 'DELIVERED' | 'DEAD' | 'DISCARDED'

/** One time that it was sent. */
interface Attempt {
  /** RFC 3339 */
  at: string
  /** null: there was no answer */
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

/** What a subscription is tried with: an event that never was. */
export const TEST_EVENT = 'webhook.test'

/** Attempts of a delivery that are shown. */
const SHOWN_ATTEMPT_COUNT = 12

/**
 * Deliveries of a subscription, the newest first, each with its latest attempts.
 * @param before id to go on after
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
 * Has a delivery sent again, or, while it waits, at once; under the same id, so that a receiver that has it knows it.
 * A redelivery of what has been settled is not held up by other events of its order.
 * @throws NotFound
 */
export async function redeliver(tx: Tx, webhookId: string, deliveryId: string): Promise<Delivery> {
  const requested = await tx.execute(requestSql, [deliveryId, webhookId])
  if (requested !== 1) throw new NotFound('delivery', deliveryId)
  await wakeWorkers(tx)
  return await readDelivery(tx, deliveryId)
}

/** Has a test event sent to a subscription, once, whether it is active or not. */
export async function sendTest(tx: Tx, webhookId: string): Promise<Delivery> {
  const [row] = await tx.query<{ delivery_id: string }>(testSql, [webhookId, newId(), TEST_EVENT])
  if (!row) throw new Error('the test was not stored')
  await wakeWorkers(tx)
  return await readDelivery(tx, row.delivery_id)
}

async function readDelivery(sql: Sql, deliveryId: string): Promise<Delivery> {
  const [delivery] = await sql.query<Delivery>(readSql, [deliveryId])
  if (!delivery) throw new NotFound('delivery', deliveryId)
  return delivery
}

/** Has workers look for what has no job, when this transaction commits. Rare, so that commits need not queue for it. */
export async function wakeWorkers(tx: Tx): Promise<void> {
  await tx.execute(`notify ${DELIVERIES_CHANNEL}, '${LOOK}'`)
}

const delivered = `
  select delivery_id, webhook_id, event_id, type, order_id, state, reason, attempts, next_attempt_at, created_at, settled_at,
    coalesce((
      select json_agg(json_build_object('at', at, 'status', status, 'duration_ms', duration_ms, 'answer', answer,
        'error', error) order by attempt_id desc)
      from (
        select attempt_id, at, status, duration_ms, answer, error
        from webhook_attempts as a
        where a.delivery_id = d.delivery_id
        order by attempt_id desc
        limit ${SHOWN_ATTEMPT_COUNT}
      ) as latest
    ), '[]') as recent
  from webhook_deliveries as d`

const listSql = `
  ${delivered}
  where webhook_id = $1
    and delivery_id < $2
  order by delivery_id desc
  limit $3
`

const readSql = `
  ${delivered}
  where delivery_id = $1
`

/** What is settled is taken up again by a worker, as what has no job; what waits for its next attempt becomes due. */
const requestSql = `
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
