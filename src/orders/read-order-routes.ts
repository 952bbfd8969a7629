import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Cursors } from '../http/cursor.ts'
import { paginationHeaders, readPage } from '../http/pagination.ts'
import { type Route, route } from '../http/route.ts'
import { type Caller, canAccess } from '../platform/caller.ts'
import { listOrders } from './list-orders.ts'
import { listedOrderReply, listOrdersQuery, orderReply } from './order-contract.ts'
import { listedExample, orderExample } from './order-examples.ts'
import { readAccessibleOrder } from './order-queries.ts'
import { orderReplyOf, orderRouteDefaults, versionHeader, withTrackingUrl } from './order-route-defaults.ts'
import { presentListedOrder } from './present-order.ts'
import type { TrackingLinks } from './tracking-links.ts'

interface ReadOrderRoutesOptions {
  database: Database
  cursors: Cursors
  links: TrackingLinks
}

export function readOrderRoutes({ database, cursors, links }: ReadOrderRoutesOptions): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/orders',
      operationId: 'listOrders',
      scope: 'orders:read',
      summary: 'List orders',
      description:
        'Returns orders, newest first. All filters are optional and combine with AND. ' +
        'To read further pages, follow the `Link` header; orders that are placed meanwhile do not shift the pages.',
      tag: 'Orders',
      query: listOrdersQuery,
      status: 200,
      statusDescription: 'A page of orders',
      replySchema: z.array(listedOrderReply),
      replyExample: [listedExample],
      optionalReplyHeaders: paginationHeaders,
      errors: [],
      handle: ({ path, query, caller }) => {
        const { restaurant_id, status, customer_id, client_reference, placed_from, placed_before } = query
        const filter = {
          restaurant_ids: accessibleRestaurants(caller, restaurant_id),
          statuses: status && [...new Set(status)],
          customer_id,
          client_reference,
          placed_from,
          placed_before,
        }
        return readPage({
          cursors,
          path,
          query,
          filters: {
            restaurant_id,
            status: status?.join(','),
            customer_id,
            client_reference,
            placed_from,
            placed_before,
          },
          read: (after, count) => listOrders(database, filter, after, count),
          positionOf: order => [order.position, order.order_id],
          present: presentListedOrder,
        })
      },
    }),
    route({
      ...orderRouteDefaults,
      path: '/api/v1/orders/{order_id}',
      operationId: 'getOrder',
      summary: 'Get an order',
      description:
        'Returns the order with its items, as they were when it was placed, and all status transitions so far.',
      statusDescription: 'The order',
      replySchema: orderReply,
      replyExample: orderExample,
      replyHeaders: versionHeader,
      conditional: true,
      handle: async ({ params: { order_id }, caller }) =>
        withTrackingUrl(orderReplyOf(await readAccessibleOrder(database, caller, order_id)), links),
    }),
  ]
}

/**
 * Returns the restaurants to list orders of: the requested one, if accessible, or all accessible
 * ones.
 */
function accessibleRestaurants(caller: Caller, restaurantId: string | undefined): string[] | undefined {
  if (restaurantId === undefined) return caller.restaurants && [...caller.restaurants]
  return canAccess(caller, restaurantId) ? [restaurantId] : []
}
