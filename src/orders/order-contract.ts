import { z } from 'zod'
import { paginationFields } from '../http/pagination.ts'
import { currency, id, moneyOutput, text, timestamp, wholeNumber } from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { formatMoney } from '../platform/money.ts'
import type { ListedOrder } from './list-orders.ts'
import { OUT_OF_STOCK, orderStatuses } from './order.ts'
import type { OrderRecord } from './order-queries.ts'
import type { PlacedOrder } from './place-order.ts'

/** The shapes of orders on the wire. */

const MAX_LINE_COUNT = 100
const MAX_QUANTITY = 1_000

const orderId = id('order', demoIds.order)
const restaurantId = id('restaurant', demoIds.restaurant)
const menuItemId = id('menu item', demoIds.margherita)
const quantity = wholeNumber(1, MAX_QUANTITY).meta({ description: 'Portions', example: 1 })
const moment = z.iso.datetime({ offset: true, error: 'must be a time like 2026-11-22T18:30:00Z' })
const status = z
  .enum(orderStatuses, { error: `must be one of ${orderStatuses.join(', ')}` })
  .meta({ description: 'Where the order is', example: 'PREPARING' })

export const orderParams = z.strictObject({ order_id: orderId })

export const placeOrderBody = z
  .strictObject({
    restaurant_id: restaurantId,
    items: z
      .array(z.strictObject({ menu_item_id: menuItemId, quantity }), { error: 'must be a list of lines' })
      .min(1, 'must have at least one line')
      .max(MAX_LINE_COUNT, `must not have more than ${MAX_LINE_COUNT} lines`)
      .meta({ description: 'Lines of the order; the same item on two lines is added up' }),
    customer_id: text(100)
      .optional()
      .meta({ description: "The customer's id in your system", example: 'customer-42' }),
    notes: text(500).optional().meta({ description: 'For the kitchen', example: 'no basil, please' }),
  })
  .meta({ id: 'PlaceOrder' })

export const changeStatusBody = z
  .strictObject({
    status: status.meta({ description: 'Where the order should go', example: 'OUT_FOR_DELIVERY' }),
  })
  .meta({ id: 'ChangeStatus' })

export const cancelOrderBody = z
  .strictObject({
    reason: text(200)
      .refine(
        reason => reason !== OUT_OF_STOCK,
        `${OUT_OF_STOCK} is reserved for orders that the system cancels`,
      )
      .optional()
      .meta({ description: 'Why; left out, CLIENT_REQUEST', example: 'ordered by mistake' }),
  })
  .meta({ id: 'CancelOrder' })

const itemReply = z
  .object({
    menu_item_id: menuItemId,
    name: z.string().meta({ description: 'Name when the order was placed', example: 'Pizza Margherita' }),
    price: moneyOutput('Price of one portion when the order was placed', '9.50'),
    quantity: z.int().min(1).meta({ description: 'Portions, those of all its lines added up', example: 1 }),
  })
  .meta({ id: 'OrderItem' })

const transitionReply = z
  .object({
    seq: z.int().meta({ description: '1, 2, 3, … without a gap', example: 1 }),
    from_status: status.nullable().meta({ example: null }),
    to_status: status.meta({ example: 'PLACED' }),
    reason: z.string().nullable().meta({ example: null }),
    actor: z.enum(['client', 'system']).meta({ description: 'Who did it', example: 'client' }),
    at: timestamp('When'),
  })
  .meta({ id: 'Transition' })

const shortageReply = z
  .object({
    menu_item_id: menuItemId,
    name: z.string().meta({ example: 'Pizza Margherita' }),
    requested_qty: z.int().meta({ example: 3 }),
    available_qty: z.int().meta({ example: 2 }),
  })
  .meta({ id: 'Shortage' })

const totals = {
  total_amount: moneyOutput('Sum over the items', '9.50'),
  currency,
  items: z.array(itemReply),
  placed_at: timestamp('When the order was accepted'),
}

export const placedOrderReply = z
  .object({
    order_id: orderId,
    restaurant_id: restaurantId,
    status: z
      .literal('PLACED')
      .meta({ description: 'It becomes PREPARING by itself, or CANCELLED when stock is short' }),
    ...totals,
  })
  .meta({ id: 'PlacedOrder' })

export const listOrdersQuery = z.strictObject({
  restaurant_id: restaurantId.optional(),
  status: z
    .string('must come once')
    .transform(value => value.split(','))
    .pipe(z.array(status).max(orderStatuses.length, 'must not name a status twice'))
    .optional()
    .meta({
      description: 'One status, or several with commas',
      example: ['PLACED', 'PREPARING'],
      param: { style: 'form', explode: false },
      override: { type: 'array', items: { type: 'string', enum: [...orderStatuses] }, minItems: 1 },
    }),
  customer_id: text(100).optional().meta({ description: "The customer's id in your system" }),
  placed_from: moment.optional().meta({ description: 'Placed at this time or after it' }),
  placed_before: moment.optional().meta({ description: 'Placed before this time' }),
  ...paginationFields,
})

export const listedOrderReply = z
  .object({
    order_id: orderId,
    restaurant_id: restaurantId,
    status,
    total_amount: totals.total_amount,
    currency,
    customer_id: z.string().nullable().meta({ example: 'customer-42' }),
    cancellation_reason: z.string().nullable().meta({ example: null }),
    placed_at: totals.placed_at,
    updated_at: timestamp('When it last changed'),
  })
  .meta({ id: 'ListedOrder' })

export const orderReply = z
  .object({
    order_id: orderId,
    restaurant_id: restaurantId,
    status,
    ...totals,
    customer_id: z.string().nullable().meta({ example: 'customer-42' }),
    notes: z.string().nullable().meta({ example: 'no basil, please' }),
    cancellation_reason: z
      .string()
      .nullable()
      .meta({ description: `Why it was cancelled; ${OUT_OF_STOCK} when stock was short`, example: null }),
    shortages: z
      .array(shortageReply)
      .nullable()
      .meta({ description: `What was short, when ${OUT_OF_STOCK}`, example: null }),
    updated_at: timestamp('When it last changed'),
    timeline: z.array(transitionReply).meta({ description: 'Every status it has had, oldest first' }),
  })
  .meta({ id: 'Order' })

export type PlacedOrderReply = z.infer<typeof placedOrderReply>
export type ListedOrderReply = z.infer<typeof listedOrderReply>
export type OrderReply = z.infer<typeof orderReply>

export function presentPlacedOrder(order: PlacedOrder): PlacedOrderReply {
  const { order_id, restaurant_id, currency, total_minor, items, placed_at } = order
  return {
    order_id,
    restaurant_id,
    status: 'PLACED',
    total_amount: formatMoney(total_minor, currency),
    currency,
    items: items.map(item => presentItem(item, currency)),
    placed_at: placed_at.toISOString(),
  }
}

export function presentOrder(order: OrderRecord): OrderReply {
  const {
    order_id,
    restaurant_id,
    status,
    total_minor,
    currency,
    customer_id,
    notes,
    cancellation_reason,
    shortages,
  } = order
  return {
    order_id,
    restaurant_id,
    status,
    total_amount: formatMoney(total_minor, currency),
    currency,
    items: order.items.map(item => presentItem(item, currency)),
    placed_at: order.placed_at.toISOString(),
    customer_id,
    notes,
    cancellation_reason,
    shortages,
    updated_at: order.updated_at.toISOString(),
    timeline: order.timeline.map(step => ({ ...step, at: new Date(step.at).toISOString() })),
  }
}

export function presentListedOrder(order: ListedOrder): ListedOrderReply {
  const { order_id, restaurant_id, status, total_minor, currency, customer_id, cancellation_reason } = order
  return {
    order_id,
    restaurant_id,
    status,
    total_amount: formatMoney(total_minor, currency),
    currency,
    customer_id,
    cancellation_reason,
    placed_at: order.placed_at.toISOString(),
    updated_at: order.updated_at.toISOString(),
  }
}

function presentItem(
  item: { menu_item_id: string; name: string; price_minor: number; quantity: number },
  currency: string,
) {
  const { menu_item_id, name, price_minor, quantity } = item
  return { menu_item_id, name, price: formatMoney(price_minor, currency), quantity }
}
