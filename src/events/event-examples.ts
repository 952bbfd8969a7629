import { demoIds } from '../platform/demo-ids.ts'
import type { EventOf, EventType, Payload } from './catalogue.ts'

const { restaurant: restaurant_id, margherita } = demoIds
const delivered = { order_id: demoIds.order, restaurant_id }
const cancelled = { order_id: '01a20488-6f60-7000-8000-000000000102', restaurant_id }
const soldOut = { order_id: '01a2048f-c260-7000-8000-000000000103', restaurant_id }
const pizza = { menu_item_id: margherita, name: 'Pizza Margherita', quantity: 2 }
const tiramisu = { menu_item_id: demoIds.tiramisu, name: 'Tiramisù', quantity: 1 }

/** An evening of three orders: one is delivered, one cancelled in time, one finds too little in stock. */
const payloads: { [Type in EventType]: Payload<Type> } = {
  'order.placed.v1': {
    ...delivered,
    customer_id: 'customer-42',
    currency: 'EUR',
    total_amount: '24.50',
    items: [
      { ...pizza, price: '9.50' },
      { ...tiramisu, price: '5.50' },
    ],
    placed_at: '2026-11-22T18:30:00.000Z',
  },
  'inventory.deducted.success.v1': {
    ...delivered,
    items: [pizza, tiramisu],
    deducted_at: '2026-11-22T18:30:00.042Z',
  },
  'inventory.deducted.failed.v1': {
    ...soldOut,
    reason: 'OUT_OF_STOCK',
    shortages: [{ menu_item_id: margherita, name: 'Pizza Margherita', requested_qty: 3, available_qty: 2 }],
  },
  'inventory.low_stock.v1': {
    restaurant_id,
    menu_item_id: margherita,
    name: 'Pizza Margherita',
    available_qty: 2,
    low_stock_threshold: 3,
    at: '2026-11-22T18:30:00.042Z',
  },
  'order.status.preparing.v1': {
    ...delivered,
    previous_status: 'PLACED',
    status: 'PREPARING',
    seq: 2,
    actor: 'system',
    reason: null,
    at: '2026-11-22T18:30:00.058Z',
  },
  'order.status.out_for_delivery.v1': {
    ...delivered,
    previous_status: 'PREPARING',
    status: 'OUT_FOR_DELIVERY',
    seq: 3,
    actor: 'client',
    reason: null,
    at: '2026-11-22T18:52:10.300Z',
  },
  'order.status.delivered.v1': {
    ...delivered,
    previous_status: 'OUT_FOR_DELIVERY',
    status: 'DELIVERED',
    seq: 4,
    actor: 'client',
    reason: null,
    at: '2026-11-22T19:10:45.120Z',
  },
  'order.cancelled.v1': {
    ...cancelled,
    previous_status: 'PREPARING',
    status: 'CANCELLED',
    seq: 3,
    actor: 'client',
    reason: 'ordered by mistake',
    at: '2026-11-22T18:34:30.500Z',
  },
}

/** Their ids tell the same times. */
const eventIds: Record<EventType, string> = {
  'order.placed.v1': '01a20485-b040-7000-8000-0000000000e1',
  'inventory.deducted.success.v1': '01a20485-b06a-7000-8000-0000000000e2',
  'inventory.deducted.failed.v1': '01a2048f-c283-7000-8000-0000000000e7',
  'inventory.low_stock.v1': '01a20485-b06a-7000-8000-0000000000e8',
  'order.status.preparing.v1': '01a20485-b07a-7000-8000-0000000000e3',
  'order.status.out_for_delivery.v1': '01a20499-fcbc-7000-8000-0000000000e4',
  'order.status.delivered.v1': '01a204aa-ff80-7000-8000-0000000000e5',
  'order.cancelled.v1': '01a20489-d0e4-7000-8000-0000000000e6',
}

/** An event of the type, for documents: the same at each call. */
export function exampleOf<Type extends EventType>(type: Type): EventOf<Type> {
  const payload: Payload<Type> = payloads[type]
  const order_id = ('order_id' in payload ? payload.order_id : null) as EventOf<Type>['order_id']
  return { event_id: eventIds[type], type, restaurant_id, order_id, payload, trace_context: {} }
}
