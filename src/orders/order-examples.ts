import { demoIds } from '../platform/demo-ids.ts'
import { IllegalTransition, InventoryPending, OrderNotPreparing } from './order.ts'
import type { ListedOrderReply, OrderReply, PlacedOrderReply } from './order-contract.ts'

/** Examples in the OpenAPI document: one order of the demo menu, from PLACED to CANCELLED. */

const placedAt = '2026-11-22T18:30:00.000Z'
const preparedAt = '2026-11-22T18:30:00.012Z'

export const placedExample: PlacedOrderReply = {
  order_id: demoIds.order,
  code: '7K3Q',
  restaurant_id: demoIds.restaurant,
  status: 'PLACED',
  total_amount: '9.50',
  currency: 'EUR',
  items: [{ menu_item_id: demoIds.margherita, name: 'Pizza Margherita', price: '9.50', quantity: 1 }],
  placed_at: placedAt,
  client_reference: null,
  tracking_url: `http://localhost:8000/track/${demoIds.order}#t=kq3VqJ0mT2b8Wc5yXz1aNg`,
}

export const orderExample: OrderReply = {
  ...placedExample,
  status: 'PREPARING',
  customer_id: 'customer-42',
  notes: 'no basil, please',
  cancellation_reason: null,
  shortages: null,
  ready_at: null,
  updated_at: preparedAt,
  timeline: [
    {
      seq: 1,
      from_status: null,
      to_status: 'PLACED',
      fact: null,
      reason: null,
      actor: 'client',
      by: 'till-2',
      at: placedAt,
    },
    {
      seq: 2,
      from_status: 'PLACED',
      to_status: 'PREPARING',
      fact: null,
      reason: null,
      actor: 'system',
      by: null,
      at: preparedAt,
    },
  ],
}

const readyAt = '2026-11-22T18:45:54.900Z'

export const readyExample: OrderReply = {
  ...orderExample,
  ready_at: readyAt,
  updated_at: readyAt,
  timeline: [
    ...orderExample.timeline,
    {
      seq: 3,
      from_status: 'PREPARING',
      to_status: 'PREPARING',
      fact: 'READY',
      reason: null,
      actor: 'client',
      by: 'pass-1',
      at: readyAt,
    },
  ],
}

const { order_id, code, restaurant_id, status, total_amount, currency, placed_at } = orderExample
export const listedExample: ListedOrderReply = {
  order_id,
  code,
  restaurant_id,
  status,
  total_amount,
  currency,
  customer_id: 'customer-42',
  client_reference: null,
  cancellation_reason: null,
  placed_at,
  ready_at: null,
  updated_at: preparedAt,
}

const cancelledAt = '2026-11-22T18:32:10.250Z'

export const cancelledExample: OrderReply = {
  ...orderExample,
  status: 'CANCELLED',
  cancellation_reason: 'ordered by mistake',
  updated_at: cancelledAt,
  timeline: [
    ...orderExample.timeline,
    {
      seq: 3,
      from_status: 'PREPARING',
      to_status: 'CANCELLED',
      fact: null,
      reason: 'ordered by mistake',
      actor: 'client',
      by: 'pass-1',
      at: cancelledAt,
    },
  ],
}

export const inventoryPending = new InventoryPending({ status: 'PLACED', changed_by: 'till-2' })
export const illegalTransition = new IllegalTransition(
  { status: 'DELIVERED', changed_by: 'pass-1' },
  'CANCELLED',
)
export const notPreparing = new OrderNotPreparing({ status: 'OUT_FOR_DELIVERY', changed_by: 'pass-1' })
