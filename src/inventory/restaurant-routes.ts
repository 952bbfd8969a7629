import type { Database } from '../db/database.ts'
import type { Cursors } from '../http/cursor.ts'
import { withIdempotency } from '../http/idempotency.ts'
import { listOf, readPage } from '../http/pagination.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import type { WakeDispatcher } from '../outbox/notify-channels.ts'
import { assertCanAccess } from '../platform/caller.ts'
import { ValidationFailed } from '../platform/errors.ts'
import { etagOf } from '../platform/precondition.ts'
import { changeRestaurant } from './change-restaurant.ts'
import type { Restaurant } from './inventory-entities.ts'
import {
  changeRestaurantBody,
  menuItemReply,
  menuQuery,
  presentMenuItem,
  presentRestaurant,
  type RestaurantReply,
  restaurantParams,
  restaurantReply,
} from './stock-contract.ts'
import { menuItemExample, restaurantExample, restaurantTag } from './stock-examples.ts'
import { listMenu, listRestaurants, readRestaurant } from './stock-queries.ts'

interface RestaurantRoutesOptions {
  database: Database
  cursors: Cursors
  wakeDispatcher: WakeDispatcher
}

/** Operations on restaurants and their menus. */
export function restaurantRoutes({ database, cursors, wakeDispatcher }: RestaurantRoutesOptions): Route[] {
  return [
    route({
      ...listOf(restaurantReply, restaurantExample),
      path: '/api/v1/restaurants',
      operationId: 'listRestaurants',
      scope: 'inventory:read',
      summary: 'List restaurants',
      description:
        'Returns restaurants in the order in which they were added. To read further pages, follow the `Link` header.',
      tag: 'Restaurants',
      statusDescription: 'A page of restaurants',
      errors: [],
      handle: ({ path, query, caller }) =>
        readPage({
          cursors,
          path,
          query,
          read: (after, count) => listRestaurants(database, after?.[0], count, caller.restaurants),
          positionOf: ({ restaurant_id }) => [restaurant_id],
          present: presentRestaurant,
        }),
    }),
    route({
      method: 'get',
      path: '/api/v1/restaurants/{restaurant_id}',
      operationId: 'getRestaurant',
      scope: 'inventory:read',
      summary: 'Get a restaurant',
      description:
        'Returns the restaurant. Its currency applies to all prices on its menu, its time zone to its statistics.',
      tag: 'Restaurants',
      params: restaurantParams,
      resource: 'restaurant',
      status: 200,
      statusDescription: 'The restaurant',
      replySchema: restaurantReply,
      replyExample: restaurantExample,
      replyHeaders: restaurantTag,
      conditional: true,
      errors: ['restaurant-not-found'],
      handle: async ({ params: { restaurant_id }, caller }) => {
        assertCanAccess(caller, restaurant_id, 'restaurant', restaurant_id)
        return restaurantReplyOf(await readRestaurant(database, restaurant_id))
      },
    }),
    route({
      method: 'patch',
      path: '/api/v1/restaurants/{restaurant_id}',
      operationId: 'changeRestaurant',
      scope: 'inventory:write',
      summary: 'Update a restaurant',
      description:
        'Changes the properties that are sent; all others stay unchanged. With `active: false`, new orders are refused with 409, until `inactive_until` if it is sent; placed orders continue. The return is published as `restaurant.changed.v1` within seconds. Another `time_zone` regroups the statistics at once.',
      tag: 'Restaurants',
      params: restaurantParams,
      resource: 'restaurant',
      body: changeRestaurantBody,
      status: 200,
      statusDescription: 'The restaurant after the change',
      replySchema: restaurantReply,
      replyExample: restaurantExample,
      replyHeaders: restaurantTag,
      conditional: true,
      errors: [
        new ValidationFailed([{ pointer: '/active', detail: 'must be true or false' }]),
        'restaurant-not-found',
      ],
      handle: ({ params, body, caller, precondition, idempotency, trace }) => {
        assertCanAccess(caller, params.restaurant_id, 'restaurant', params.restaurant_id)
        return withIdempotency(database, idempotency, 200, async tx => {
          tx.afterCommit(wakeDispatcher)
          return restaurantReplyOf(await changeRestaurant(tx, { ...params, ...body, precondition, trace }))
        })
      },
    }),
    route({
      ...listOf(menuItemReply, menuItemExample),
      path: '/api/v1/restaurants/{restaurant_id}/menu',
      operationId: 'getMenu',
      scope: 'inventory:read',
      summary: 'List the menu of a restaurant',
      description:
        'Returns menu items with their stock, in the order in which they were added; with `low_stock=true` only those whose stock is at or below their threshold. To read further pages, follow the `Link` header.',
      tag: 'Restaurants',
      params: restaurantParams,
      resource: 'restaurant',
      query: menuQuery,
      statusDescription: 'A page of menu items',
      errors: ['restaurant-not-found'],
      handle: async ({ params: { restaurant_id }, path, query, caller }) => {
        assertCanAccess(caller, restaurant_id, 'restaurant', restaurant_id)
        const restaurant = await readRestaurant(database, restaurant_id)
        const { low_stock } = query
        const isLow = low_stock === undefined ? undefined : low_stock === 'true'
        return await readPage({
          cursors,
          path,
          query,
          filters: { low_stock },
          read: (after, count) => listMenu(database, restaurant, isLow, after?.[0], count),
          positionOf: ({ menu_item_id }) => [menu_item_id],
          present: presentMenuItem,
        })
      },
    }),
  ]
}

function restaurantReplyOf(restaurant: Restaurant): RouteReply<RestaurantReply> {
  return { body: presentRestaurant(restaurant), headers: { ETag: etagOf(restaurant.version) } }
}
