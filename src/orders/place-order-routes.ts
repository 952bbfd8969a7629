import type { Database } from '../db/database.ts'
import { findStoredReply, fingerprintOf, markAsReplayed } from '../http/idempotency.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import { assertCanAccess } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { ClientReferenceReused, type ErrorCode, ExpectedError, ValidationFailed } from '../platform/errors.ts'
import type { StoredReply } from '../platform/idempotent-request.ts'
import { newIdInSlotOf } from '../platform/slots.ts'
import type { PlacedOrder, PlaceOrder } from './decide-placement.ts'
import { findReferencedOrder } from './find-referenced-order.ts'
import { type PlacedOrderReply, placedOrderReply, placeOrderBody, type Unlinked } from './order-contract.ts'
import { placedExample } from './order-examples.ts'
import { withTrackingUrl } from './order-route-defaults.ts'
import type { PlacementQueue } from './placement-queue.ts'
import { presentPlacedOrder } from './present-order.ts'
import type { TrackingLinks } from './tracking-links.ts'

interface PlaceOrderRoutesOptions {
  database: Database
  placement: PlacementQueue
  links: TrackingLinks
}

export function placeOrderRoutes({ database, placement, links }: PlaceOrderRoutesOptions): Route[] {
  /**
   * Places an order, or returns the reply to an earlier request with the same key or reference.
   * That one counts also when the order would be refused now, because the menu has changed since.
   */
  async function place(request: PlaceOrder, path: string): Promise<RouteReply<Unlinked<PlacedOrderReply>>> {
    try {
      const order = await placement.place(request)
      return replyOf(order, path)
    } catch (error) {
      if (!(error instanceof ExpectedError) || NOT_DECIDED.has(error.code)) throw error
      const earlier = await findEarlierReply(request, path)
      if (earlier) return earlier
      throw error
    }
  }

  /** Returns the reply to an earlier request with the same key or reference. */
  async function findEarlierReply(
    request: PlaceOrder,
    path: string,
  ): Promise<RouteReply<Unlinked<PlacedOrderReply>> | undefined> {
    const { idempotency } = request
    const stored = idempotency && (await findStoredReply<Unlinked<PlacedOrderReply>>(database, idempotency))
    if (stored) return stored
    const order = await findReferencedOrder(database, request)
    return order && markAsReplayed(replyOf(order, path))
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
        'Send an `Idempotency-Key` to retry safely within 24 hours, or a `client_reference` to send the same order again at any time, for example after days offline. Without both, two requests are two orders.',
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
        new ClientReferenceReused(demoIds.order),
      ],
      handle: async ({ body, path, trace, caller, idempotency }) => {
        assertCanAccess(caller, body.restaurant_id, 'restaurant', body.restaurant_id)
        const storedReply = (order: PlacedOrder): StoredReply => ({
          status: 202,
          headers: {},
          ...replyOf(order, path),
        })
        const reply = await place(
          {
            ...body,
            by: caller.name,
            order_id: newIdInSlotOf(body.restaurant_id),
            trace,
            ...(body.client_reference === undefined ? {} : { fingerprint: fingerprintOf(body) }),
            ...(idempotency ? { idempotency: { ...idempotency, replyOf: storedReply } } : {}),
          },
          path,
        )
        return withTrackingUrl(reply, links)
      },
    }),
  ]
}

/** Codes of a refusal under load, which reads nothing, and of an unavailable database. */
const NOT_DECIDED = new Set<ErrorCode>(['overloaded', 'database-unavailable'])

/** @param path of the list of orders */
function replyOf(
  order: Parameters<typeof presentPlacedOrder>[0],
  path: string,
): RouteReply<Unlinked<PlacedOrderReply>> {
  return { body: presentPlacedOrder(order), headers: { Location: `${path}/${order.order_id}` } }
}
