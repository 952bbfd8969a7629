import type { Database } from '../db/database.ts'
import { findStoredReply } from '../http/idempotency.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import type { WakeDispatcher } from '../outbox/notify-channels.ts'
import { assertCanAccess } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { ValidationFailed } from '../platform/errors.ts'
import { IdempotencyKeyInFlight, type StoredReply } from '../platform/idempotent-request.ts'
import { newId } from '../platform/ids.ts'
import type { PlacedOrder, PlaceOrder } from './decide-placement.ts'
import {
  type PlacedOrderReply,
  placedOrderReply,
  placeOrderBody,
  presentPlacedOrder,
} from './order-contract.ts'
import { placedExample } from './order-examples.ts'
import type { PlacementQueue } from './placement-queue.ts'

interface PlaceOrderRoutesOptions {
  database: Database
  placement: PlacementQueue
  wakeDispatcher: WakeDispatcher
}

export function placeOrderRoutes({ database, placement, wakeDispatcher }: PlaceOrderRoutesOptions): Route[] {
  /** Places an order, or returns the stored reply of an earlier request with the same key. */
  async function place(request: PlaceOrder, path: string): Promise<RouteReply<PlacedOrderReply>> {
    const { idempotency } = request
    try {
      const order = await placement.place(request)
      wakeDispatcher()
      return replyOf(order, path)
    } catch (error) {
      const storedReply =
        idempotency && error instanceof IdempotencyKeyInFlight
          ? await findStoredReply<PlacedOrderReply>(database, idempotency)
          : undefined
      if (storedReply) return storedReply
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
        'Creates an order and returns once it is committed together with its `order.placed.v1` event. ' +
        'Stock is deducted asynchronously, usually within milliseconds: the order then becomes PREPARING, ' +
        'or CANCELLED with the reason `OUT_OF_STOCK` if any item is short. ' +
        'Names and prices are copied from the menu, so later menu changes do not affect the order. ' +
        'Send an `Idempotency-Key` to retry safely.',
      tag: 'Orders',
      body: placeOrderBody,
      status: 202,
      statusDescription: 'The order is committed; read its current state at `Location`',
      replySchema: placedOrderReply,
      replyExample: placedExample,
      replyHeaders: { Location: 'Path of the order' },
      errors: [
        new ValidationFailed([
          { pointer: '/items/0/menu_item_id', detail: `${demoIds.order} is not on this restaurant's menu` },
        ]),
        'restaurant-inactive',
        'restaurant-not-found',
      ],
      handle: ({ body, path, trace, caller, idempotency }) => {
        assertCanAccess(caller, body.restaurant_id, 'restaurant', body.restaurant_id)
        const storedReply = (order: PlacedOrder): StoredReply => ({
          status: 202,
          headers: {},
          ...replyOf(order, path),
        })
        return place(
          {
            ...body,
            order_id: newId(),
            trace,
            ...(idempotency ? { idempotency: { ...idempotency, replyOf: storedReply } } : {}),
          },
          path,
        )
      },
    }),
  ]
}

/** @param path of the list of orders */
function replyOf(order: PlacedOrder, path: string): RouteReply<PlacedOrderReply> {
  return { body: presentPlacedOrder(order), headers: { Location: `${path}/${order.order_id}` } }
}
