import { z } from 'zod'
import { demoIds } from '../platform/demo-ids.ts'
import { defineEvent } from './define-event.ts'
import { menuEvents } from './menu-events.ts'
import {
  amount,
  itemName,
  menuItemId,
  orderedItem,
  orderKeys,
  sequenceOfStep,
  statusChange,
  time,
} from './payload-fields.ts'

// The examples show one evening: one order becomes ready and is delivered, one is ready only for a
// moment and is cancelled by its customer, one finds too little stock.
const { restaurant: restaurant_id, margherita, tiramisu, order: order_id } = demoIds
const delivered = { order_id, restaurant_id }
const cancelled = { order_id: '01a20488-6f60-7000-8000-00001f4a6001', restaurant_id }
const soldOut = { order_id: '01a2048f-c260-7000-8000-0000b52d9001', restaurant_id }
const twoPizzas = { menu_item_id: margherita, name: 'Pizza Margherita', quantity: 2 }
const oneTiramisu = { menu_item_id: tiramisu, name: 'Tiramisù', quantity: 1 }

/**
 * The event catalogue: one entry per event, from which types, validation, SQL and documents follow.
 * A released `v1` may only gain optional properties (docs/events.md explains why, `npm run check`
 * verifies it). src/outbox/routing.ts lists the jobs.
 */
export const eventCatalogue = {
  'order.placed.v1': defineEvent({
    title: 'Order placed',
    description:
      'An order was accepted. Its stock is not deducted yet: the order becomes PREPARING or CANCELLED next.',
    payload: z.object({
      ...orderKeys,
      customer_id: z.string().nullable().meta({ description: "The customer's id in the caller's system" }),
      currency: z
        .string()
        .regex(/^[A-Z]{3}$/)
        .meta({ description: 'ISO 4217 code of all amounts' }),
      total_amount: amount('Total of all items'),
      items: z
        .array(
          z
            .object({ ...orderedItem, price: amount('Price of one portion') })
            .meta({ title: 'Item of a placed order' }),
        )
        .min(1)
        .meta({ description: 'The ordered items, each item once' }),
      notes: z.string().optional().meta({
        description:
          "Notes for the kitchen in the customer's own words, such as allergies; absent: none. May have line breaks; escape it where you show it",
      }),
      placed_at: time('When the order was accepted'),
    }),
    sequence: { fixed: 1 },
    example: {
      event_id: '01a20485-b040-7000-8000-0000000000e1',
      payload: {
        ...delivered,
        customer_id: 'customer-42',
        currency: 'EUR',
        total_amount: '24.50',
        items: [
          { ...twoPizzas, price: '9.50' },
          { ...oneTiramisu, price: '5.50' },
        ],
        notes: 'no nuts, please',
        placed_at: '2026-11-22T18:30:00.000Z',
      },
    },
  }),

  'inventory.deducted.success.v1': defineEvent({
    title: 'Stock deducted',
    description: 'The stock of all items of an order was deducted. The order becomes PREPARING next.',
    payload: z.object({
      ...orderKeys,
      items: z
        .array(z.object(orderedItem).meta({ title: 'Item taken from stock' }))
        .min(1)
        .meta({ description: 'The items taken from stock' }),
      deducted_at: time('When the stock was deducted'),
    }),
    sequence: { fixed: 2 },
    example: {
      event_id: '01a20485-b06a-7000-8000-0000000000e2',
      payload: { ...delivered, items: [twoPizzas, oneTiramisu], deducted_at: '2026-11-22T18:30:00.042Z' },
    },
  }),

  'inventory.deducted.failed.v1': defineEvent({
    title: 'Out of stock',
    description:
      'An order asked for more portions than were in stock. Nothing was deducted; the order becomes CANCELLED next.',
    payload: z.object({
      ...orderKeys,
      reason: z.literal('OUT_OF_STOCK').meta({ description: 'Why nothing was deducted' }),
      shortages: z
        .array(
          z
            .object({
              menu_item_id: menuItemId,
              name: itemName,
              requested_qty: z.int().positive().meta({ description: 'Portions ordered' }),
              available_qty: z.int().nonnegative().meta({ description: 'Portions in stock' }),
            })
            .meta({ title: 'Item with too little stock' }),
        )
        .min(1)
        .meta({ description: 'The items with too little stock' }),
    }),
    sequence: { fixed: 2 },
    example: {
      event_id: '01a2048f-c283-7000-8000-0000000000e7',
      payload: {
        ...soldOut,
        reason: 'OUT_OF_STOCK',
        shortages: [
          { menu_item_id: margherita, name: 'Pizza Margherita', requested_qty: 3, available_qty: 2 },
        ],
      },
    },
  }),

  ...menuEvents,

  'order.status.preparing.v1': defineEvent({
    title: 'Order in preparation',
    description: 'The stock of an order is deducted and the kitchen can start.',
    payload: statusChange('PREPARING'),
    sequence: sequenceOfStep,
    example: {
      event_id: '01a20485-b07a-7000-8000-0000000000e3',
      payload: {
        ...delivered,
        previous_status: 'PLACED',
        status: 'PREPARING',
        seq: 2,
        actor: 'system',
        reason: null,
        at: '2026-11-22T18:30:00.058Z',
      },
    },
  }),

  'order.ready.v1': defineEvent({
    title: 'Order ready',
    description:
      'The kitchen has finished an order, which stays PREPARING until it leaves. `at` is the `ready_at` of the order. An order may leave without this event.',
    payload: statusChange('PREPARING'),
    sequence: sequenceOfStep,
    example: {
      event_id: '01a20494-4254-7000-8000-0000000000e9',
      payload: {
        ...delivered,
        previous_status: 'PREPARING',
        status: 'PREPARING',
        seq: 3,
        actor: 'client',
        reason: null,
        at: '2026-11-22T18:45:54.900Z',
      },
    },
  }),

  'order.unready.v1': defineEvent({
    title: 'Order not ready',
    description: 'The kitchen took back that an order is ready. The order stays PREPARING.',
    payload: statusChange('PREPARING'),
    sequence: sequenceOfStep,
    example: {
      event_id: '01a20489-6190-7000-8000-0000000000ea',
      payload: {
        ...cancelled,
        previous_status: 'PREPARING',
        status: 'PREPARING',
        seq: 4,
        actor: 'client',
        reason: null,
        at: '2026-11-22T18:34:02.000Z',
      },
    },
  }),

  'order.status.out_for_delivery.v1': defineEvent({
    title: 'Order out for delivery',
    description: 'An order has left the restaurant.',
    payload: statusChange('OUT_FOR_DELIVERY'),
    sequence: sequenceOfStep,
    example: {
      event_id: '01a20499-fcbc-7000-8000-0000000000e4',
      payload: {
        ...delivered,
        previous_status: 'PREPARING',
        status: 'OUT_FOR_DELIVERY',
        seq: 4,
        actor: 'client',
        reason: null,
        at: '2026-11-22T18:52:10.300Z',
      },
    },
  }),

  'order.status.delivered.v1': defineEvent({
    title: 'Order delivered',
    description: 'An order has arrived. This status is final.',
    payload: statusChange('DELIVERED'),
    sequence: sequenceOfStep,
    example: {
      event_id: '01a204aa-ff80-7000-8000-0000000000e5',
      payload: {
        ...delivered,
        previous_status: 'OUT_FOR_DELIVERY',
        status: 'DELIVERED',
        seq: 5,
        actor: 'client',
        reason: null,
        at: '2026-11-22T19:10:45.120Z',
      },
    },
  }),

  'order.cancelled.v1': defineEvent({
    title: 'Order cancelled',
    description:
      'An order was cancelled by a caller, or by the system for lack of stock (`reason` is `OUT_OF_STOCK`). This status is final. Deducted stock is restored.',
    payload: statusChange('CANCELLED'),
    sequence: sequenceOfStep,
    example: {
      event_id: '01a20489-d0e4-7000-8000-0000000000e6',
      payload: {
        ...cancelled,
        previous_status: 'PREPARING',
        status: 'CANCELLED',
        seq: 5,
        actor: 'client',
        reason: 'ordered by mistake',
        at: '2026-11-22T18:34:30.500Z',
      },
    },
  }),
} as const

export type EventType = keyof typeof eventCatalogue
export const eventTypes = Object.keys(eventCatalogue) as EventType[]
export type Payload<Type extends EventType> = z.infer<(typeof eventCatalogue)[Type]['payload']>

/** Returns whether this version of the catalogue has the type. */
export function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventCatalogue, type)
}

/** Returns whether events of this type are about an order, and so carry its id and a sequence. */
export function isAboutOrder(type: EventType): boolean {
  return eventCatalogue[type].sequence !== null
}
