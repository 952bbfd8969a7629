import { z } from 'zod'
import { eventCatalogue, isEventType } from '../events/catalogue.ts'
import { sequenceOf } from '../events/sequence.ts'
import { sortEvents } from '../events/sort-events.ts'
import { timestamp } from '../http/schema-fields.ts'
import type { Shortage } from '../orders/order.ts'
import { orderReply, presentOrder } from '../orders/order-contract.ts'
import { deliveryReply, presentState } from '../webhooks/webhook-contract.ts'
import { SHOWN_DELIVERY_COUNT } from './order-deliveries.ts'
import type { OrderHistory } from './read-timeline.ts'

/** The shape of an order's timeline on the wire. */

const { order_id, restaurant_id, status, timeline, shortages } = orderReply.shape
const eventTypes = Object.keys(eventCatalogue) as [keyof typeof eventCatalogue]

const outcome = z.enum(['PENDING', 'DEDUCTED', 'OUT_OF_STOCK', 'RESTORED', 'UNTOUCHED']).meta({
  description:
    'PENDING: not looked at yet; DEDUCTED: taken; OUT_OF_STOCK: short, so that nothing was taken; RESTORED: taken and given back; UNTOUCHED: cancelled before anything was taken',
  example: 'DEDUCTED',
})

const stockReply = z
  .object({
    outcome,
    deducted_at: timestamp('When it was taken').nullable(),
    restored_at: timestamp('When it was given back').nullable(),
    shortages,
  })
  .meta({ id: 'StockOutcome' })

const eventReply = z
  .object({
    event_id: z
      .uuid()
      .meta({ description: 'As `id` of the CloudEvent', example: '019a0000-0000-7000-8000-000000000e01' }),
    type: z.enum(eventTypes).meta({ example: 'order.placed.v1' }),
    sequence: z
      .int()
      .meta({ description: 'Its place among those of the order; rises, with gaps', example: 1 }),
    at: timestamp('When it was written'),
  })
  .meta({ id: 'TimelineEvent' })

const { delivery_id, webhook_id, event_id, type, state, reason, ...ofDelivery } = deliveryReply.shape
const { created_at, settled_at, next_attempt_at, attempt_count } = ofDelivery
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
      .meta({ description: 'What was answered last; null: nothing', example: 204 }),
  })
  .meta({ id: 'TimelineDelivery' })

export const timelineReply = z
  .object({
    order_id,
    restaurant_id,
    status,
    transitions: timeline,
    stock: stockReply,
    events: z.array(eventReply).meta({ description: 'Its events, in order; they are kept for 30 days' }),
    deliveries: z.array(timelineDelivery).meta({
      description: `Their deliveries to the webhooks that you see, oldest first, the newest ${SHOWN_DELIVERY_COUNT} of them; none without the scope \`webhooks:read\``,
    }),
  })
  .meta({ id: 'OrderTimeline' })

export type TimelineReply = z.infer<typeof timelineReply>

export function presentTimeline(history: OrderHistory): TimelineReply {
  const { order_id, restaurant_id, status, timeline: transitions } = presentOrder(history.order)
  return {
    order_id,
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
      state: presentState(state),
      created_at: iso(delivery.created_at),
      settled_at: isoOrNull(delivery.settled_at),
      next_attempt_at: isoOrNull(delivery.next_attempt_at),
      attempt_count: attempts,
    })),
  }
}

/** The times of JSON that Postgres made, in UTC. */
const iso = (time: string) => new Date(time).toISOString()
const isoOrNull = (time: string | null) => (time === null ? null : iso(time))

/** What became of the stock: the ledger says what was moved, the order and its events why nothing was. */
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

/** Known a moment before the order is rejected for them. */
function shortagesOf(events: OrderHistory['events']): Shortage[] | null {
  const failed = events.find(({ type }) => type === 'inventory.deducted.failed.v1')
  return failed && 'shortages' in failed.payload ? failed.payload.shortages : null
}

function earliest(times: readonly (string | null)[]): string | null {
  const known = times.flatMap(time => (time === null ? [] : Date.parse(time)))
  return known.length === 0 ? null : new Date(Math.min(...known)).toISOString()
}
