import type { PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'
import { DELIVERY_QUEUE } from '../jobs/catalogue.ts'
import { sequenceSql } from './cloud-event.ts'
import type { EventOf, EventType } from './events.ts'
import { routing } from './routing.ts'

/** What of an event is to be sent to one subscription. */
export interface MatchedDelivery {
  delivery_id: string
  webhook_id: string
  event_id: string
}

/** What a job of `downstream.deliver` carries: ids. Where to, with what secret and what, is looked up when it is sent. */
export interface DeliveryJob extends MatchedDelivery {
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
export function matchSubscriptionsSql(events: string): string {
  return `
    insert into webhook_deliveries (webhook_id, event_id, type, restaurant_id, order_id, sequence)
    select w.webhook_id, e.event_id, e.type, e.restaurant_id, e.order_id, ${sequenceSql}
    from webhooks as w
    join ${events} as e
      on e.type like any (w.type_patterns)
      and (w.restaurant_ids is null or e.restaurant_id = any (w.restaurant_ids))
    where w.status = 'ACTIVE'
      and e.type in (${deliveredTypes})
    order by e.event_id, w.webhook_id
    on conflict do nothing
    returning delivery_id, webhook_id, event_id`
}

/** The jobs of deliveries; the id of each is its delivery's. */
export function deliveryJobs(
  deliveries: readonly MatchedDelivery[],
  events: readonly EventOf[],
): { id: string; data: DeliveryJob }[] {
  if (deliveries.length === 0) return []
  const byId = new Map(events.map(event => [event.event_id, event]))
  return deliveries.flatMap(delivery => {
    const event = byId.get(delivery.event_id)
    if (!event) return []
    const { type, restaurant_id, order_id } = event
    return [
      {
        id: delivery.delivery_id,
        data: { ...delivery, type: type satisfies EventType, restaurant_id, order_id },
      },
    ]
  })
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
