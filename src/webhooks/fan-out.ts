import type { PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import { sequenceSql } from '../events/sequence.ts'
import { DELIVERY_QUEUE } from '../jobs/queues.ts'
import type { FanOut, FanOutTarget } from '../outbox/fan-out.ts'

/** Data of a `downstream.deliver` job. URL, secrets and payload are read when it is sent. */
export interface DeliveryJob {
  delivery_id: string
  webhook_id: string
  event_id: string
  type: string
  restaurant_id: string | null
  order_id: string | null
}

/** NOTIFY channel that wakes delivery workers when jobs are inserted. */
export const DELIVERIES_CHANNEL = 'comanda_deliveries'
/** Payload that makes a worker also sweep for deliveries without a job. */
export const SWEEP = 'sweep'

/**
 * Inserts a delivery for each event of `published` (a CTE with the columns of the outbox) and each
 * active webhook that is subscribed to it. It is part of the statement that dispatches the events,
 * so it needs no round trip of its own, and costs almost nothing while there are no webhooks.
 *
 * A webhook gets every event that commits after it. Postgres takes the ROW EXCLUSIVE lock of this
 * insert before the statement reads any row and holds it until the transaction ends; adding a
 * webhook takes a conflicting lock (waitForInFlightFanOut). So either this statement sees the new
 * webhook, or its transaction commits before the webhook does.
 */
const insertDeliveriesSql = `
    insert into webhook_deliveries (webhook_id, event_id, type, restaurant_id, order_id, sequence)
    select w.webhook_id, e.event_id, e.type, e.restaurant_id, e.order_id, ${sequenceSql}
    from webhooks as w
    join published as e
      on e.type like any (w.type_patterns)
      and (w.restaurant_ids is null or e.restaurant_id = any (w.restaurant_ids))
    where w.status = 'ACTIVE'
    order by e.event_id, w.webhook_id
    on conflict do nothing
    returning event_id, delivery_id as job_id, webhook_id as target_id
`

function deliveryJobs(
  targets: readonly FanOutTarget[],
  events: readonly EventOf[],
): { id: string; data: DeliveryJob }[] {
  if (targets.length === 0) return []
  const byId = new Map(events.map(event => [event.event_id, event]))
  return targets.flatMap(({ event_id, job_id, target_id }) => {
    const event = byId.get(event_id)
    if (!event) return []
    const { type, restaurant_id, order_id } = event
    const data = { delivery_id: job_id, webhook_id: target_id, event_id, type, restaurant_id, order_id }
    return [{ id: job_id, data }]
  })
}

/** Creates one delivery, with a job of the same id, per event and subscribed webhook. */
export const webhookFanOut: FanOut = {
  insertSql: insertDeliveriesSql,
  removeSql: `
    delete from webhook_deliveries
    where event_id = $1`,
  insertJobs: (tx, boss, targets, events) => insertDeliveryJobs(tx, boss, deliveryJobs(targets, events)),
}

/**
 * Inserts delivery jobs and wakes the workers on commit; pg-boss wakes those of its own process.
 */
export async function insertDeliveryJobs(
  tx: Tx,
  boss: PgBoss,
  jobs: readonly { id: string; data: DeliveryJob }[],
): Promise<void> {
  if (jobs.length === 0) return
  await Promise.all([
    boss.insert(DELIVERY_QUEUE, [...jobs], { db: tx }),
    tx.execute(`notify ${DELIVERIES_CHANNEL}`),
  ])
}
