import type { PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import { sequenceSql } from '../events/sequence.ts'
import { DELIVERY_QUEUE } from '../jobs/queues.ts'
import type { FanOut, FanOutTarget } from '../outbox/fan-out.ts'
import { routing } from '../outbox/routing.ts'

/** What a job of `downstream.deliver` carries: ids. Where to, with what secret and what, is looked up when it is sent. */
export interface DeliveryJob {
  delivery_id: string
  webhook_id: string
  event_id: string
  type: string
  restaurant_id: string | null
  order_id: string | null
}

/** Channel on which workers hear that there are jobs of deliveries. */
export const DELIVERIES_CHANNEL = 'comanda_deliveries'
/** What they hear when there is something without a job, too. */
export const LOOK = 'look'

const deliveredTypes = Object.entries(routing)
  .filter(([, queues]) => (queues as readonly string[]).includes(DELIVERY_QUEUE))
  .map(([type]) => `'${type}'`)
  .join(', ')

/**
 * Inserts a delivery for each event of `events` (a CTE with the columns of the outbox) and each active subscription that hears of
 * it; part of the statement that dispatches these events, so that it costs no round trip, and next to nothing while there is
 * no subscription.
 *
 * An event that is committed after a subscription is always matched with it. The insert's lock on its table (row exclusive,
 * until the transaction ends) is taken before the statement looks at any row, and adding a subscription takes one that
 * conflicts with it: so either this statement sees the subscription, or its transaction commits before that does.
 */
const insertDeliveriesSql = `
    insert into webhook_deliveries (webhook_id, event_id, type, restaurant_id, order_id, sequence)
    select w.webhook_id, e.event_id, e.type, e.restaurant_id, e.order_id, ${sequenceSql}
    from webhooks as w
    join published as e
      on e.type like any (w.type_patterns)
      and (w.restaurant_ids is null or e.restaurant_id = any (w.restaurant_ids))
    where w.status = 'ACTIVE'
      and e.type in (${deliveredTypes})
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

/** Fans events out to webhooks: one delivery, with a job of the same id, per event and subscribed webhook. */
export const webhookFanOut: FanOut = {
  insertSql: insertDeliveriesSql,
  removeSql: `
    delete from webhook_deliveries
    where event_id = $1`,
  insertJobs: (tx, boss, targets, events) => insertDeliveryJobs(tx, boss, deliveryJobs(targets, events)),
}

/** Inserts jobs of deliveries and wakes workers when the transaction commits. pg-boss would wake its own workers only. */
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
