import { z } from 'zod'
import { eventCatalogue, isEventType } from '../events/catalogue.ts'
import { sequenceOf } from '../events/sequence.ts'
import { sortEvents } from '../events/sort-events.ts'
import { timestamp } from '../http/schema-fields.ts'
import type { Shortage } from '../orders/order.ts'
import { orderReply } from '../orders/order-contract.ts'
import { presentOrder } from '../orders/present-order.ts'
import { deliveryReply } from '../webhooks/webhook-contract.ts'
import { MAX_DELIVERY_COUNT } from './order-deliveries.ts'
import type { OrderHistory } from './read-timeline.ts'

/** Response schema of the timeline of an order. */

const { order_id, code, restaurant_id, status, timeline, shortages } = orderReply.shape
const eventTypes = Object.keys(eventCatalogue) as [keyof typeof eventCatalogue]

const outcome = z.enum(['PENDING', 'DEDUCTED', 'OUT_OF_STOCK', 'RESTORED', 'UNTOUCHED']).meta({
  description:
    'PENDING: not processed yet; DEDUCTED: deducted; OUT_OF_STOCK: insufficient, nothing was deducted; RESTORED: deducted and restored; UNTOUCHED: cancelled before the deduction',
  example: 'DEDUCTED',
})

const stockReply = z
  .object({
    outcome,
    deducted_at: timestamp('Time of the deduction').nullable(),
    restored_at: timestamp('Time of the restoration').nullable(),
    shortages,
  })
  .meta({ id: 'StockOutcome', description: 'What the order did to the stock' })

const eventReply = z
  .object({
    event_id: z.uuid().meta({
      description: 'Id of the event, the `id` of its CloudEvent',
      example: '019a0000-0000-7000-8000-000000000e01',
    }),
    type: z.enum(eventTypes).meta({ description: 'Type of the event', example: 'order.placed.v1' }),
    sequence: z
      .int()
      .meta({ description: 'Position among the events of the order; increasing, with gaps', example: 1 }),
    at: timestamp('Time at which the event was written'),
  })
  .meta({ id: 'TimelineEvent', description: 'Event of an order' })

const { delivery_id, webhook_id, event_id, type, state, reason, ...deliveryFields } = deliveryReply.shape
const { created_at, settled_at, next_attempt_at, attempt_count } = deliveryFields
const timelineDelivery = z
  .object({
    delivery_id,
    webhook_id,
    event_id,
    type,
    state,
    reason,
    created_at,
    settled_at,
    next_attempt_at,
    attempt_count,
    last_status: z
      .int()
      .nullable()
      .meta({ description: 'HTTP status of the last response; null: none was received', example: 204 }),
  })
  .meta({ id: 'TimelineDelivery', description: 'Delivery of an event of the order to a webhook' })

export const timelineReply = z
  .object({
    order_id,
    code,
    restaurant_id,
    status,
    transitions: timeline,
    stock: stockReply,
    events: z
      .array(eventReply)
      .meta({ description: 'Events of the order, in order; by default kept for 30 days' }),
    deliveries: z.array(timelineDelivery).meta({
      description: `Deliveries of these events to webhooks that you can access, oldest first, at most the newest ${MAX_DELIVERY_COUNT}; empty without the scope \`webhooks:read\``,
    }),
  })
  .meta({ id: 'OrderTimeline', description: 'Everything that happened to an order' })

export type TimelineReply = z.infer<typeof timelineReply>

export function presentTimeline(history: OrderHistory): TimelineReply {
  const { order_id, code, restaurant_id, status, timeline: transitions } = presentOrder(history.order)
  return {
    order_id,
    code,
    restaurant_id,
    status,
    transitions,
    stock: stockOf(history),
    events: sortEvents(history.events)
      .filter(({ type }) => isEventType(type))
      .map(event => ({
        event_id: event.event_id,
        type: event.type,
        sequence: sequenceOf(event) ?? 0,
        at: iso(event.created_at),
      })),
    deliveries: history.deliveries.map(({ attempts, state, ...delivery }) => ({
      ...delivery,
      state,
      created_at: iso(delivery.created_at),
      settled_at: isoOrNull(delivery.settled_at),
      next_attempt_at: isoOrNull(delivery.next_attempt_at),
      attempt_count: attempts,
    })),
  }
}

/** Converts a time that Postgres has rendered as JSON to UTC. */
const iso = (time: string) => new Date(time).toISOString()
const isoOrNull = (time: string | null) => (time === null ? null : iso(time))

/** Derives the stock outcome from the ledger, or from the order if nothing was deducted. */
function stockOf({ order, stock, events }: OrderHistory): TimelineReply['stock'] {
  const [deducted_at, restored_at] = [
    earliest(stock.map(item => item.deducted_at)),
    earliest(stock.map(item => item.restored_at)),
  ]
  const shortages = order.shortages ?? shortagesOf(events)
  return { outcome: outcomeOf(), deducted_at, restored_at, shortages }

  function outcomeOf(): TimelineReply['stock']['outcome'] {
    if (restored_at !== null) return 'RESTORED'
    if (deducted_at !== null) return 'DEDUCTED'
    if (shortages !== null) return 'OUT_OF_STOCK'
    return order.status === 'CANCELLED' ? 'UNTOUCHED' : 'PENDING'
  }
}

/** Returns the shortages of the event, which is committed before the order is CANCELLED. */
function shortagesOf(events: OrderHistory['events']): Shortage[] | null {
  const failed = events.find(({ type }) => type === 'inventory.deducted.failed.v1')
  return failed && 'shortages' in failed.payload ? failed.payload.shortages : null
}

function earliest(times: readonly (string | null)[]): string | null {
  const milliseconds = times.flatMap(time => (time === null ? [] : Date.parse(time)))
  return milliseconds.length === 0 ? null : new Date(Math.min(...milliseconds)).toISOString()
}
