import { DELIVERIES, PENDING } from '../../webhooks/deliveries.ts'
import { keptSince } from '../views/kept-since.ts'
import type { View } from '../views/view.ts'

/** Every event is delivered to every subscribed webhook, or is pending, or is a dead letter. */
export const deliveryInvariants: View[] = [
  {
    name: 'check_deliveries_made',
    comment: 'Dispatched events without a delivery to an active webhook that is subscribed to them',
    columns: {
      event_id: 'id of the event',
      type: 'type of the event',
      order_id: 'order of the event',
      webhook_id: 'webhook that has no delivery',
    },
    sql: `
      select e.event_id, e.type, e.order_id, w.webhook_id
      from webhooks as w
      join outbox_events as e
        on e.created_at > w.updated_at
        and e.type like any (w.type_patterns)
        and (w.restaurant_ids is null or e.restaurant_id = any (w.restaurant_ids))
      where w.status = 'ACTIVE'
        and e.dispatched_at is not null
        and e.created_at > ${keptSince('webhook_deliveries')}
        and not exists (
          select 1
          from webhook_deliveries as d
          where d.event_id = e.event_id
            and d.webhook_id = w.webhook_id
        )`,
  },
  {
    name: 'check_deliveries_accounted',
    comment:
      'Deliveries that would never be sent: parked behind no earlier delivery of their order; or dead without a dead letter',
    columns: {
      delivery_id: 'id of the delivery',
      webhook_id: 'webhook of the delivery',
      event_id: 'event of the delivery',
      state: 'state of the delivery',
    },
    sql: `
      select d.delivery_id, d.webhook_id, d.event_id, d.state
      from webhook_deliveries as d
      where d.state = '${PENDING}'
        and d.next_attempt_at is null
        and not exists (
          select 1
          from webhook_deliveries as p
          where p.state = '${PENDING}'
            and p.webhook_id = d.webhook_id
            and p.order_id = d.order_id
            and p.sequence < d.sequence
            and p.requested_at is null
        )
      union all
      select d.delivery_id, d.webhook_id, d.event_id, d.state
      from webhook_deliveries as d
      where d.state = 'DEAD'
        and not exists (
          select 1
          from dead_letters as l
          where l.event_id = d.event_id
            and l.queue = '${DELIVERIES}'
        )`,
  },
]
