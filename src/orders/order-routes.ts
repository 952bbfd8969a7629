import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Sql, Tx } from '../db/transaction.ts'
import type { Cursors } from '../http/cursor.ts'
import { etagOf } from '../http/etag.ts'
import { findStoredReply, withIdempotency } from '../http/idempotency.ts'
import { invalidValueExample } from '../http/openapi/error-examples.ts'
import { paginationHeaders, readPage } from '../http/pagination.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import type { WakeDispatcher } from '../outbox/notify-channels.ts'
import { assertCanAccess, type Caller, canAccess } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import {
  IdempotencyKeyInFlight,
  type IdempotentRequest,
  type StoredReply,
} from '../platform/idempotent-request.ts'
import { newId } from '../platform/ids.ts'
import { cancelOrder } from './cancel-order.ts'
import { changeStatus } from './change-status.ts'
import { listOrders } from './list-orders.ts'
import { orderStatuses } from './order.ts'
import {
  cancelOrderBody,
  changeStatusBody,
  listedOrderReply,
  listOrdersQuery,
  type OrderReply,
  orderParams,
  orderReply,
  type PlacedOrderReply,
  placedOrderReply,
  placeOrderBody,
  presentListedOrder,
  presentOrder,
  presentPlacedOrder,
} from './order-contract.ts'
import {
  cancelledExample,
  illegal,
  listedExample,
  noOrder,
  orderExample,
  placedExample,
} from './order-examples.ts'
import { type OrderRecord, readOrder } from './order-queries.ts'
import type { PlacedOrder, PlaceOrder } from './place-order.ts'
import type { PlacementQueue } from './placement-queue.ts'

export interface OrderRoutesOptions {
  database: Database
  placement: PlacementQueue
  cursors: Cursors
  wakeDispatcher: WakeDispatcher
}

/** Everything a client can do with orders. None of it waits for the slow path. */
export function orderRoutes({ database, placement, cursors, wakeDispatcher }: OrderRoutesOptions): Route[] {
  /** Runs a change and answers with the order as that change left it. */
  async function change(
    orderId: string,
    caller: Caller,
    idempotency: IdempotentRequest | undefined,
    work: (tx: Tx) => Promise<boolean>,
  ): Promise<RouteReply<OrderReply>> {
    return await withIdempotency(database, idempotency, 200, async tx => {
      if (caller.restaurants) await requireOrder(tx, caller, orderId)
      if (await work(tx)) tx.afterCommit(wakeDispatcher)
      return orderReplyOf(await readOrder(tx, orderId))
    })
  }

  /** @throws NotFound when there is none for this caller */
  async function requireOrder(sql: Sql, caller: Caller, orderId: string): Promise<OrderRecord> {
    const order = await readOrder(sql, orderId)
    assertCanAccess(caller, order.restaurant_id, 'order', orderId)
    return order
  }

  async function place(request: PlaceOrder): Promise<RouteReply<PlacedOrderReply>> {
    const { idempotency } = request
    try {
      const order = await placement.place(request)
      wakeDispatcher()
      return placedReply(order)
    } catch (error) {
      const earlier =
        idempotency && error instanceof IdempotencyKeyInFlight
          ? await findStoredReply<PlacedOrderReply>(database, idempotency)
          : undefined
      if (earlier) return earlier
      throw error
    }
  }

  return [
    route({
      method: 'post',
      path: '/api/v1/orders',
      operationId: 'placeOrder',
      scope: 'orders:write',
      summary: 'Place an order',
      description:
        'Answers as soon as the order and its event are on disk. Stock is deducted behind: the order then becomes PREPARING, or CANCELLED with OUT_OF_STOCK.',
      tag: 'Orders',
      body: placeOrderBody,
      status: 202,
      statusDescription: 'Accepted; follow it at `Location`',
      replySchema: placedOrderReply,
      replyExample: placedExample,
      replyHeaders: { Location: 'Path of the order' },
      errors: [
        invalidValueExample('/items/0/menu_item_id', `${demoIds.order} is not on this restaurant's menu`),
        {
          code: 'restaurant-inactive',
          detail: 'The restaurant takes no orders at the moment',
        },
        {
          code: 'restaurant-not-found',
          detail: `No restaurant has the id ${demoIds.margherita}`,
          fields: { id: demoIds.margherita },
        },
      ],
      handle: ({ body, trace, caller, idempotency }) => {
        assertCanAccess(caller, body.restaurant_id, 'restaurant', body.restaurant_id)
        return place({
          ...body,
          order_id: newId(),
          trace,
          ...(idempotency ? { idempotency: { ...idempotency, replyOf: storedReply } } : {}),
        })
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/orders',
      operationId: 'listOrders',
      scope: 'orders:read',
      summary: 'List orders',
      description:
        'Newest first, in pages: follow `Link`. Orders that are placed meanwhile do not shift the pages.',
      tag: 'Orders',
      query: listOrdersQuery,
      status: 200,
      statusDescription: 'A page of orders',
      replySchema: z.array(listedOrderReply),
      replyExample: [listedExample],
      optionalReplyHeaders: paginationHeaders,
      errors: [],
      handle: ({ path, query, caller }) => {
        const { restaurant_id, status, customer_id, placed_from, placed_before } = query
        const filter = {
          restaurant_ids: visible(caller, restaurant_id),
          statuses: status && [...new Set(status)],
          customer_id,
          placed_from,
          placed_before,
        }
        return readPage({
          cursors,
          path,
          query,
          filters: { restaurant_id, status: status?.join(','), customer_id, placed_from, placed_before },
          read: (after, count) => listOrders(database, filter, after, count),
          positionOf: order => [order.position, order.order_id],
          present: presentListedOrder,
        })
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/orders/{order_id}',
      operationId: 'getOrder',
      scope: 'orders:read',
      summary: 'Look at an order',
      description: 'The order with its items, as they were when it was placed, and every status it has had.',
      tag: 'Orders',
      params: orderParams,
      resource: 'order',
      status: 200,
      statusDescription: 'The order',
      replySchema: orderReply,
      replyExample: orderExample,
      errors: [noOrder],
      replyHeaders: versionHeader,
      handle: async ({ params: { order_id }, caller }) =>
        orderReplyOf(await requireOrder(database, caller, order_id)),
    }),
    route({
      method: 'patch',
      path: '/api/v1/orders/{order_id}/status',
      operationId: 'changeOrderStatus',
      scope: 'orders:status',
      summary: 'Move an order on',
      description:
        'PREPARING → OUT_FOR_DELIVERY → DELIVERED, or CANCELLED from any of them but DELIVERED. Asked for the status it has, nothing changes. PREPARING comes by itself.',
      tag: 'Orders',
      params: orderParams,
      resource: 'order',
      body: changeStatusBody,
      status: 200,
      statusDescription: 'The order as it is now',
      replySchema: orderReply,
      replyExample: orderExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [
        invalidValueExample('/status', `must be one of ${orderStatuses.join(', ')}`),
        noOrder,
        illegal,
        {
          code: 'inventory-pending',
          detail:
            'The order is PLACED: it becomes PREPARING by itself when its stock has been deducted, usually within milliseconds',
          fields: {
            current_status: 'PLACED',
            requested_status: 'PREPARING',
            allowed_statuses: ['CANCELLED'],
          },
        },
      ],
      handle: ({ params: { order_id }, body: { status }, trace, caller, versions, idempotency }) => {
        const request = { order_id, versions, trace }
        return change(order_id, caller, idempotency, tx =>
          status === 'CANCELLED' ? cancelOrder(tx, request) : changeStatus(tx, { ...request, to: status }),
        )
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/orders/{order_id}/cancel',
      operationId: 'cancelOrder',
      scope: 'orders:write',
      summary: 'Cancel an order',
      description:
        'The order is CANCELLED at once; stock that was deducted for it comes back behind. Cancelled again, it stays as it is.',
      tag: 'Orders',
      params: orderParams,
      resource: 'order',
      body: cancelOrderBody,
      bodyOptional: true,
      status: 200,
      statusDescription: 'The order, CANCELLED',
      replySchema: orderReply,
      replyExample: cancelledExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [invalidValueExample('/reason', 'must not be empty'), noOrder, illegal],
      handle: ({ params: { order_id }, body: { reason }, trace, caller, versions, idempotency }) =>
        change(order_id, caller, idempotency, tx => cancelOrder(tx, { order_id, reason, versions, trace })),
    }),
  ]
}

/** The restaurants to list: those that were asked for, as far as the caller sees them. */
function visible(caller: Caller, restaurantId: string | undefined): string[] | undefined {
  if (restaurantId === undefined) return caller.restaurants && [...caller.restaurants]
  return canAccess(caller, restaurantId) ? [restaurantId] : []
}

function placedReply(order: PlacedOrder): RouteReply<PlacedOrderReply> {
  return { body: presentPlacedOrder(order), headers: { Location: `/api/v1/orders/${order.order_id}` } }
}

function storedReply(order: PlacedOrder): StoredReply {
  return { status: 202, headers: {}, ...placedReply(order) }
}

function orderReplyOf(order: OrderRecord): RouteReply<OrderReply> {
  return { body: presentOrder(order), headers: { ETag: etagOf(order.version) } }
}

const versionHeader = { ETag: 'Version of the order, for `If-Match`' }
