import { z } from 'zod'
import { paginationFields } from '../http/pagination.ts'
import {
  currency,
  id,
  moneyOutput,
  optional,
  queryTime,
  text,
  timestamp,
  wholeNumber,
} from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { ORDER_CODE, orderCode } from '../platform/order-code.ts'
import {
  CLIENT_REQUEST,
  type OrderStatus,
  OUT_OF_STOCK,
  openStatuses,
  orderFacts,
  orderStatuses,
} from './order.ts'

/** Request and response schemas of orders. */

const MAX_LINE_COUNT = 100
const MAX_QUANTITY = 1_000

const orderId = id('order', demoIds.order)
const restaurantId = id('restaurant', demoIds.restaurant)
const menuItemId = id('menu item', demoIds.margherita)
const orderCodeReply = z
  .string()
  .regex(ORDER_CODE)
  .meta({
    description: 'Short code of the order, by which people name it; not unique for ever',
    example: orderCode(demoIds.order),
  })
const quantity = wholeNumber(1, MAX_QUANTITY).meta({ description: 'Number of portions', example: 1 })
const customerId = text(100, { description: 'Id of the customer in your system', example: 'customer-42' })
const clientReference = text(64, {
  description:
    'Your own reference of the order, unique per restaurant for ever. The same order sent again with it is not placed twice',
  example: 'till-2-000417',
})
const clientReferenceReply = z
  .string()
  .nullable()
  .meta({ description: 'Your own reference of the order', example: null })
const status = z
  .enum(orderStatuses, { error: `must be one of ${orderStatuses.join(', ')}` })
  .meta({ id: 'OrderStatus', description: 'Status of the order', example: 'PREPARING' })

export const orderParams = z.strictObject({ order_id: orderId })

const placeOrderLine = z
  .strictObject({ menu_item_id: menuItemId, quantity })
  .meta({ id: 'PlaceOrderLine', description: 'Line of an order to place' })

export const placeOrderBody = z
  .strictObject({
    restaurant_id: restaurantId,
    items: z
      .array(placeOrderLine, { error: 'must be a list of lines' })
      .min(1, 'must have at least one line')
      .max(MAX_LINE_COUNT, `must not have more than ${MAX_LINE_COUNT} lines`)
      .meta({ description: 'Ordered items; lines with the same item are merged' }),
    customer_id: optional(customerId),
    notes: optional(
      text(500, { description: 'Notes for the kitchen', example: 'no basil, please' }, 'several lines'),
    ),
    client_reference: optional(clientReference),
  })
  .meta({ id: 'PlaceOrder', description: 'Order to place' })

export const changeStatusBody = z
  .strictObject({
    status: status.meta({ description: 'Requested status', example: 'OUT_FOR_DELIVERY' }),
  })
  .meta({ id: 'ChangeStatus', description: 'Status that an order is to have' })

export const cancelOrderBody = z
  .strictObject({
    reason: optional(
      text(
        200,
        {
          description: `Reason of the cancellation; default ${CLIENT_REQUEST}. The reason of the first cancellation stays`,
          example: 'ordered by mistake',
        },
        'several lines',
      ).refine(
        reason => reason !== OUT_OF_STOCK,
        `${OUT_OF_STOCK} is reserved for cancellations by the system`,
      ),
    ),
  })
  .meta({ id: 'CancelOrder', description: 'Reason of a cancellation' })

const itemReply = z
  .object({
    menu_item_id: menuItemId,
    name: z.string().meta({ description: 'Name at the time of the order', example: 'Pizza Margherita' }),
    price: moneyOutput('Price of one portion at the time of the order', '9.50'),
    quantity: z
      .int()
      .min(1)
      .meta({ description: 'Number of portions, summed over all lines with this item', example: 1 }),
  })
  .meta({ id: 'OrderItem', description: 'Item of an order, as it was on the menu when the order was placed' })

const customerIdReply = z
  .string()
  .nullable()
  .meta({ description: 'Id of the customer in your system', example: 'customer-42' })
const cancellationReason = z
  .string()
  .nullable()
  .meta({ description: `Reason of the cancellation; ${OUT_OF_STOCK} for insufficient stock`, example: null })

const fact = z.enum(orderFacts).meta({
  id: 'OrderFact',
  description: 'READY: the kitchen has finished the order; UNREADY: it took that back',
  example: 'READY',
})

const transitionReply = z
  .object({
    seq: z.int().meta({ description: 'Number of the transition: 1, 2, 3, … without gaps', example: 1 }),
    from_status: status.nullable().meta({ description: 'Previous status; null for PLACED', example: null }),
    to_status: status.meta({ description: 'New status', example: 'PLACED' }),
    fact: fact.nullable().meta({ description: 'null: the status changed', example: null }),
    reason: z.string().nullable().meta({ description: 'Reason of a cancellation', example: null }),
    actor: z.enum(['client', 'system']).meta({
      id: 'Actor',
      description: 'client: an API call; system: the asynchronous pipeline',
      example: 'client',
    }),
    by: z.string().nullable().meta({
      description:
        'Name of the API key, or subject of the token, of the client; null: the system, or a client that was not authenticated',
      example: 'pass-1',
    }),
    at: timestamp('Time of the transition'),
  })
  .meta({
    id: 'Transition',
    description: 'Change of the status of an order, or a fact about it that keeps the status',
  })

const shortageReply = z
  .object({
    menu_item_id: menuItemId,
    name: z.string().meta({ description: 'Name of the item', example: 'Pizza Margherita' }),
    requested_qty: z.int().meta({ description: 'Portions requested', example: 3 }),
    available_qty: z.int().meta({ description: 'Portions available', example: 2 }),
  })
  .meta({ id: 'Shortage', description: 'Item of which an order requested more than was available' })

const trackingUrl = z.string().meta({
  format: 'uri',
  description:
    'Link for the customer, to the live page of this order. Everybody who has it may follow the order, without signing in. Valid until 24 hours after the order ends',
  example: `http://localhost:8000/track/${demoIds.order}#t=kq3VqJ0mT2b8Wc5yXz1aNg`,
})

const readyAt = timestamp(
  'Time at which the order became ready; null: it is not ready, or left the kitchen without being made ready',
).nullable()
const updatedAt = timestamp('Time of the last change')

const totals = {
  total_amount: moneyOutput('Total over all items', '9.50'),
  currency,
  items: z.array(itemReply),
  placed_at: timestamp('Time at which the order was placed'),
}

export const placedOrderReply = z
  .object({
    order_id: orderId,
    code: orderCodeReply,
    restaurant_id: restaurantId,
    status: z
      .literal('PLACED')
      .meta({ description: 'Becomes PREPARING or, with insufficient stock, CANCELLED asynchronously' }),
    ...totals,
    client_reference: clientReferenceReply,
    tracking_url: trackingUrl,
  })
  .meta({ id: 'PlacedOrder', description: 'Order at the time of the response that accepted it' })

/**
 * A list of statuses in a query.
 * @param each schema of one of `count` statuses
 * @param items the same in the OpenAPI document
 */
const statusList = <Status extends OrderStatus>(
  each: z.ZodType<Status, string>,
  count: number,
  items: object,
  description: string,
) =>
  z
    .preprocess(
      value => (Array.isArray(value) ? value.join(',') : value),
      z
        .string()
        .transform(value => value.split(','))
        .pipe(z.array(each).max(count, `must not have more than ${count} statuses`)),
    )
    .optional()
    .meta({
      description,
      example: ['PLACED', 'PREPARING'],
      param: { style: 'form', explode: false },
      override: { type: 'array', items, minItems: 1 },
    })

/** Query of the stream of a restaurant. */
export const openOrdersQuery = z.strictObject({
  status: statusList(
    z.enum(openStatuses, { error: `must be one of ${openStatuses.join(', ')}` }),
    openStatuses.length,
    { type: 'string', enum: openStatuses },
    'Statuses of the orders in the snapshot, separated by commas or in repeated parameters; default: all open ones. Events are not filtered',
  ),
})

export const listOrdersQuery = z
  .strictObject({
    restaurant_id: restaurantId.optional(),
    status: statusList(
      status,
      orderStatuses.length,
      { $ref: '#/components/schemas/OrderStatus' },
      'One or more statuses, separated by commas or in repeated parameters',
    ),
    customer_id: customerId.optional(),
    client_reference: clientReference.optional(),
    placed_from: queryTime()
      .optional()
      .meta({ description: 'Only orders placed at or after this time', example: '2026-11-22T00:00:00Z' }),
    placed_before: queryTime()
      .optional()
      .meta({ description: 'Only orders placed before this time', example: '2026-11-23T00:00:00Z' }),
    ...paginationFields,
  })
  .refine(
    ({ placed_from, placed_before }) =>
      placed_from === undefined ||
      placed_before === undefined ||
      Date.parse(placed_from) <= Date.parse(placed_before),
    { path: ['placed_before'], error: 'must not be before `placed_from`' },
  )

export const listedOrderReply = z
  .object({
    order_id: orderId,
    code: orderCodeReply,
    restaurant_id: restaurantId,
    status,
    total_amount: totals.total_amount,
    currency,
    customer_id: customerIdReply,
    client_reference: clientReferenceReply,
    cancellation_reason: cancellationReason,
    placed_at: totals.placed_at,
    ready_at: readyAt,
    updated_at: updatedAt,
  })
  .meta({ id: 'ListedOrder', description: 'Order in a list, without its items' })

export const orderReply = z
  .object({
    order_id: orderId,
    code: orderCodeReply,
    restaurant_id: restaurantId,
    status,
    ...totals,
    customer_id: customerIdReply,
    client_reference: clientReferenceReply,
    notes: z.string().nullable().meta({ description: 'Notes for the kitchen', example: 'no basil, please' }),
    cancellation_reason: cancellationReason,
    shortages: z
      .array(shortageReply)
      .nullable()
      .meta({
        description: `Items with insufficient stock, if the reason is ${OUT_OF_STOCK}`,
        example: null,
      }),
    ready_at: readyAt,
    updated_at: updatedAt,
    tracking_url: trackingUrl,
    timeline: z.array(transitionReply).meta({ description: 'All transitions so far, oldest first' }),
  })
  .meta({ id: 'Order', description: 'Order with its items and all its transitions' })

export type PlacedOrderReply = z.infer<typeof placedOrderReply>
export type ListedOrderReply = z.infer<typeof listedOrderReply>
export type OrderReply = z.infer<typeof orderReply>
/** A representation before `TrackingLinks` adds the link, which is neither stored nor published. */
export type Unlinked<Reply> = Omit<Reply, 'tracking_url'>
