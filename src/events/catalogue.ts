import { z } from 'zod'
import { newId } from '../platform/ids.ts'

/**
 * The event catalogue: every event's name, once, and the shape of its payload. Others build on it: what has been released
 * as a `v1` grows by optional properties and changes in no other way (docs/events.md says why, `npm run events` checks).
 */

const id = (what: string) => z.uuid().meta({ description: `Id of the ${what}` })
const at = (what: string) => z.iso.datetime().meta({ description: `${what}, in UTC` })
const money = (what: string) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .meta({ description: `${what}, with all the decimals that the currency has` })
const itemName = z.string().meta({ description: 'Name of the item when the order was placed' })
const quantity = z.int().positive().meta({ description: 'Portions, those of all its lines added up' })

const order = { order_id: id('order'), restaurant_id: id('restaurant') }
const item = { menu_item_id: id('menu item'), name: itemName, quantity }

const statusChange = <Status extends string>(status: Status) =>
  z.object({
    ...order,
    previous_status: z.string().meta({ description: 'Status that the order had before' }),
    status: z.literal(status).meta({ description: 'Status that it has now' }),
    seq: z
      .int()
      .positive()
      .meta({ description: "Place in the order's history: 1, 2, 3, … without a gap; 1 is its placement" }),
    actor: z.string().meta({
      description: '`client`: a caller of the API; `system`: the slow path. There may be others one day',
    }),
    reason: z.string().nullable().meta({ description: 'Why, where a reason was given' }),
    at: at('When'),
  })

export const eventCatalogue = {
  'order.placed.v1': z
    .object({
      ...order,
      customer_id: z.string().nullable().meta({ description: "The customer's id in the caller's system" }),
      currency: z
        .string()
        .regex(/^[A-Z]{3}$/)
        .meta({ description: 'ISO 4217 code of all amounts' }),
      total_amount: money('Sum over the items'),
      items: z
        .array(z.object({ ...item, price: money('Price of one portion') }))
        .min(1)
        .meta({ description: 'What was ordered, each item once' }),
      placed_at: at('When the order was accepted'),
    })
    .meta({
      title: 'Order placed',
      description: 'An order was accepted. Its stock is not deducted yet: it becomes PREPARING or CANCELLED.',
    }),
  'inventory.deducted.success.v1': z
    .object({
      ...order,
      items: z.array(z.object(item)).min(1).meta({ description: 'What was taken from stock' }),
      deducted_at: at('When'),
    })
    .meta({
      title: 'Stock deducted',
      description: 'The stock of all items of an order was deducted. The order becomes PREPARING.',
    }),
  'inventory.deducted.failed.v1': z
    .object({
      ...order,
      reason: z.literal('OUT_OF_STOCK').meta({ description: 'Why nothing was deducted' }),
      shortages: z
        .array(
          z.object({
            menu_item_id: item.menu_item_id,
            name: itemName,
            requested_qty: z.int().positive().meta({ description: 'Portions ordered' }),
            available_qty: z.int().nonnegative().meta({ description: 'Portions that there were' }),
          }),
        )
        .min(1)
        .meta({ description: 'The items that were short' }),
    })
    .meta({
      title: 'Stock short',
      description:
        'An order wanted more than there was. Nothing was deducted, and the order becomes CANCELLED.',
    }),
  'inventory.low_stock.v1': z
    .object({
      restaurant_id: order.restaurant_id,
      menu_item_id: item.menu_item_id,
      name: z.string().meta({ description: 'Name of the item' }),
      available_qty: z.int().nonnegative().meta({ description: 'Portions left' }),
      low_stock_threshold: z.int().nonnegative().meta({ description: 'Below this, stock counts as low' }),
      at: at('When'),
    })
    .meta({
      title: 'Stock low',
      description:
        'The stock of a menu item went below its threshold. It is told again only after it has been back.',
    }),
  'order.status.preparing.v1': statusChange('PREPARING').meta({
    title: 'Order in preparation',
    description: 'The stock of an order is deducted, and the kitchen may begin.',
  }),
  'order.status.out_for_delivery.v1': statusChange('OUT_FOR_DELIVERY').meta({
    title: 'Order out for delivery',
    description: 'An order has left the restaurant.',
  }),
  'order.status.delivered.v1': statusChange('DELIVERED').meta({
    title: 'Order delivered',
    description: 'An order has arrived. This is final.',
  }),
  'order.cancelled.v1': statusChange('CANCELLED').meta({
    title: 'Order cancelled',
    description:
      'An order was cancelled, by a caller or (`reason` is `OUT_OF_STOCK`) for want of stock. This is final; what stock was deducted is given back.',
  }),
} as const satisfies Record<string, z.ZodType>

export type EventType = keyof typeof eventCatalogue
export const eventTypes = Object.keys(eventCatalogue) as EventType[]
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

/** Whether the catalogue knows it. */
export function isEventType(type: string): type is EventType {
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
