import { sequenceSql } from '../events/sequence.ts'
import type { FanOut } from '../outbox/fan-out.ts'

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
    returning event_id, webhook_id as target_id
`

/** Creates one delivery per event and subscribed webhook. */
export const webhookFanOut: FanOut = {
  insertSql: insertDeliveriesSql,
  removeSql: `
    delete from webhook_deliveries
    where event_id = $1`,
}
