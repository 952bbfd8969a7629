import { z } from 'zod'
import { newId } from '../platform/ids.ts'

/** The event catalogue: every event's name, once, and the shape of its payload. */

const id = z.uuid()
const at = z.iso.datetime()
const money = z.string().regex(/^\d+(\.\d+)?$/)
const order = { order_id: id, restaurant_id: id }
const item = { menu_item_id: id, name: z.string(), quantity: z.int().positive() }
const statusChange = z.object({
  ...order,
  previous_status: z.string(),
  status: z.string(),
  seq: z.int().positive(),
  actor: z.string(),
  reason: z.string().nullable(),
  at,
})

export const eventCatalogue = {
  'order.placed.v1': z.object({
    ...order,
    customer_id: z.string().nullable(),
    currency: z.string(),
    total_amount: money,
    items: z.array(z.object({ ...item, price: money })).min(1),
    placed_at: at,
  }),
  'inventory.deducted.success.v1': z.object({
    ...order,
    items: z.array(z.object(item)).min(1),
    deducted_at: at,
  }),
  'inventory.deducted.failed.v1': z.object({
    ...order,
    reason: z.literal('OUT_OF_STOCK'),
    shortages: z
      .array(z.object({ menu_item_id: id, name: z.string(), requested_qty: z.int(), available_qty: z.int() }))
      .min(1),
  }),
  'inventory.low_stock.v1': z.object({
    restaurant_id: id,
    menu_item_id: id,
    name: z.string(),
    available_qty: z.int(),
    low_stock_threshold: z.int(),
    at,
  }),
  'order.status.preparing.v1': statusChange,
  'order.status.out_for_delivery.v1': statusChange,
  'order.status.delivered.v1': statusChange,
  'order.cancelled.v1': statusChange,
} as const satisfies Record<string, z.ZodType>

export type EventType = keyof typeof eventCatalogue
export type Payload<Type extends EventType> = z.infer<(typeof eventCatalogue)[Type]>

/** Travels with an event and everything that follows from it. */
export interface TraceContext {
  /** the HTTP request that started it */
  request_id?: string
  /** the event that this one follows from */
  caused_by?: string
  /** W3C Trace Context */
  traceparent?: string
}

/** Events that are about no order. */
type StockEvent = 'inventory.low_stock.v1'
/** Events that are about an order. */
export type OrderEvent = Exclude<EventType, StockEvent>
type OrderIdOf<Type extends EventType> = Type extends StockEvent ? null : string

/** An event as it stands in the outbox and in job data. */
export interface EventOf<Type extends EventType = EventType> {
  event_id: string
  type: Type
  restaurant_id: string
  order_id: OrderIdOf<Type>
  payload: Payload<Type>
  trace_context: TraceContext
}

/** A new event, with an id that sorts by time. */
export function newEvent<Type extends EventType>(
  type: Type,
  payload: Payload<Type>,
  trace_context: TraceContext,
): EventOf<Type> {
  const { restaurant_id } = payload
  const order_id = ('order_id' in payload ? payload.order_id : null) as OrderIdOf<Type>
  return { event_id: newId(), type, restaurant_id, order_id, payload, trace_context }
}

/** The trace context of whatever follows from `event`. */
export function follow(event: EventOf): TraceContext {
  return { ...event.trace_context, caused_by: event.event_id }
}

function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventCatalogue, type)
}

/** An event that the catalogue does not know, or whose payload has another shape than it says. */
export class InvalidEvent extends Error {
  override name = 'InvalidEvent'
}

/** @throws InvalidEvent naming the type and what is wrong */
export function checkEvent(event: { type: string; payload: unknown }): asserts event is EventOf {
  if (!isEventType(event.type)) throw new InvalidEvent(`unknown event type ${event.type}`)
  const { error } = eventCatalogue[event.type].safeParse(event.payload)
  if (error) throw new InvalidEvent(`${event.type}: ${z.prettifyError(error).replaceAll('\n', ' ')}`)
}
