import { DEAD_LETTER_QUEUE, DELIVERY_QUEUE } from '../../jobs/queues.ts'
import type { View } from '../views/view.ts'

/** Longest a delivery may wait for a worker's look after its wait has ended. */
const WAIT_BOUND_SECONDS = 60

/** Every event reaches every webhook that hears of it, or something is still to come of it. */
export const deliveryInvariants: View[] = [
  {
    name: 'check_deliveries_made',
    comment: 'Dispatched events that an active webhook hears of, and has no delivery of',
    columns: {
      event_id: 'the event',
      type: 'its type',
      order_id: 'the order it is about',
      webhook_id: 'the webhook',
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
        and not exists (
          select 1
          from webhook_deliveries as d
          where d.event_id = e.event_id
            and d.webhook_id = w.webhook_id
        )`,
  },
  {
    name: 'check_deliveries_accounted',
    comment: `Deliveries that nothing will come of: to be sent, without a job; or waiting for more than ${WAIT_BOUND_SECONDS} s for nothing; or dead, without a dead letter`,
    columns: {
      delivery_id: 'the delivery',
      webhook_id: 'its webhook',
      event_id: 'its event',
      state: 'its state',
    },
    sql: `
      select d.delivery_id, d.webhook_id, d.event_id, d.state
      from webhook_deliveries as d
      where case d.state
          when 'QUEUED' then not exists (
            select 1
            from pgboss.job as j
            where j.name = '${DELIVERY_QUEUE}'
              and j.id = coalesce(d.job_id, d.delivery_id)
              and j.state < 'completed'
          )
          when 'AWAITS_TURN' then greatest(d.created_at, d.requested_at) < now() - interval '${WAIT_BOUND_SECONDS} seconds'
            and not exists (
              select 1
              from webhook_deliveries as p
              where p.webhook_id = d.webhook_id
                and p.order_id = d.order_id
                and p.sequence < d.sequence
                and p.state in ('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM')
            )
          when 'AWAITS_ROOM' then greatest(d.created_at, d.requested_at) < now() - interval '${WAIT_BOUND_SECONDS} seconds'
            and not exists (
              select 1
              from webhook_deliveries as p
              where p.webhook_id = d.webhook_id
                and p.state = 'QUEUED'
            )
          when 'DEAD' then not exists (
            select 1
            from dead_letters as l
            where l.event_id = d.event_id
              and l.queue = '${DELIVERY_QUEUE}'
          )
          else false
        end
        and not exists (
          select 1
          from pgboss.job as x
          where x.name = '${DEAD_LETTER_QUEUE}'
            and x.state < 'completed'
            and x.data ->> 'delivery_id' = d.delivery_id::text
        )`,
  },
]
