import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { type Caller, requireSight, requireUnbound } from '../http/caller.ts'
import type { Cursors } from '../http/cursor.ts'
import { etagOf } from '../http/etag.ts'
import { answerOnce } from '../http/idempotency.ts'
import { pageHeaders, readPage } from '../http/page.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { addMenuItem } from './add-menu-item.ts'
import { addRestaurant } from './add-restaurant.ts'
import { changeMenuItem } from './change-menu-item.ts'
import { changeRestaurant } from './change-restaurant.ts'
import type { MenuItem, Restaurant } from './inventory-entities.ts'
import { restock } from './restock.ts'
import {
  addMenuItemBody,
  addRestaurantBody,
  changeMenuItemBody,
  changeRestaurantBody,
  listQuery,
  type MenuItemReply,
  menuItemParams,
  menuItemReply,
  presentMenuItem,
  presentRestaurant,
  type RestaurantReply,
  restaurantParams,
  restaurantReply,
  restockBody,
} from './stock-contract.ts'
import { listMenu, listRestaurants, readMenuItem, readRestaurant } from './stock-queries.ts'

/** Restaurants, their menus, and what is in stock. */
export function stockRoutes({ database, cursors }: { database: Database; cursors: Cursors }): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/restaurants',
      operationId: 'listRestaurants',
      scope: 'inventory:read',
      summary: 'List restaurants',
      description: 'In the order they were added, in pages: follow `Link`.',
      tag: 'Restaurants',
      query: listQuery,
      status: 200,
      statusDescription: 'A page of restaurants',
      replySchema: z.array(restaurantReply),
      replyExample: [restaurantExample],
      optionalReplyHeaders: pageHeaders,
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
      summary: 'Look at a restaurant',
      description: 'Its currency holds for every price on its menu.',
      tag: 'Restaurants',
      params: restaurantParams,
      resource: 'restaurant',
      status: 200,
      statusDescription: 'The restaurant',
      replySchema: restaurantReply,
      replyExample: restaurantExample,
      replyHeaders: versionHeader,
      errors: [noRestaurant],
      handle: async ({ params: { restaurant_id }, caller }) => {
        requireRestaurant(caller, restaurant_id)
        return restaurantReplyOf(await readRestaurant(database, restaurant_id))
      },
    }),
    route({
      method: 'patch',
      path: '/api/v1/restaurants/{restaurant_id}',
      operationId: 'changeRestaurant',
      scope: 'inventory:write',
      summary: 'Change a restaurant',
      description: 'While it is not `active`, it takes no orders; those that it has go on.',
      tag: 'Restaurants',
      params: restaurantParams,
      resource: 'restaurant',
      body: changeRestaurantBody,
      status: 200,
      statusDescription: 'The restaurant as it is now',
      replySchema: restaurantReply,
      replyExample: restaurantExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [invalid('/active', 'must be true or false'), noRestaurant],
      handle: ({ params, body, caller, versions, idempotency }) => {
        requireRestaurant(caller, params.restaurant_id)
        return answerOnce(database, idempotency, 200, async tx =>
          restaurantReplyOf(await changeRestaurant(tx, { ...params, ...body, versions })),
        )
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/restaurants/{restaurant_id}/menu',
      operationId: 'getMenu',
      scope: 'inventory:read',
      summary: 'Look at a menu',
      description: 'Items in the order they were added, with what is on hand, in pages: follow `Link`.',
      tag: 'Restaurants',
      params: restaurantParams,
      resource: 'restaurant',
      query: listQuery,
      status: 200,
      statusDescription: 'A page of the menu',
      replySchema: z.array(menuItemReply),
      replyExample: [menuItemExample],
      optionalReplyHeaders: pageHeaders,
      errors: [noRestaurant],
      handle: async ({ params: { restaurant_id }, path, query, caller }) => {
        requireRestaurant(caller, restaurant_id)
        const restaurant = await readRestaurant(database, restaurant_id)
        return await readPage({
          cursors,
          path,
          query,
          read: (after, count) => listMenu(database, restaurant, after?.[0], count),
          positionOf: ({ menu_item_id }) => [menu_item_id],
          present: presentMenuItem,
        })
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/inventory/add/restaurant',
      operationId: 'addRestaurant',
      scope: 'inventory:write',
      summary: 'Add a restaurant',
      description: 'Its currency holds for every price on its menu.',
      tag: 'Inventory',
      body: addRestaurantBody,
      status: 201,
      statusDescription: 'Added',
      replySchema: restaurantReply,
      replyExample: restaurantExample,
      errors: [invalid('/currency', 'must be an ISO 4217 code like EUR')],
      handle: ({ body, caller, idempotency }) => {
        requireUnbound(caller)
        return answerOnce(database, idempotency, 201, async tx => ({
          body: presentRestaurant(await addRestaurant(tx, body)),
        }))
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/inventory/add/{restaurant_id}/item',
      operationId: 'addMenuItem',
      scope: 'inventory:write',
      summary: 'Add an item to a menu',
      description: 'A price left out is `"0.00"`. Its stock starts with `available_qty`.',
      tag: 'Inventory',
      params: restaurantParams,
      resource: 'restaurant',
      body: addMenuItemBody,
      status: 201,
      statusDescription: 'Added',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      errors: [invalid('/available_qty', 'must not be less than 0'), noRestaurant],
      handle: ({ params, body, caller, idempotency }) => {
        requireRestaurant(caller, params.restaurant_id)
        return answerOnce(database, idempotency, 201, async tx => ({
          body: presentMenuItem(await addMenuItem(tx, { ...params, ...body })),
        }))
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/inventory/{menu_item_id}',
      operationId: 'getMenuItem',
      scope: 'inventory:read',
      summary: 'Look at a menu item and its stock',
      description: 'What is on hand now; orders that are still PLACED have not been deducted yet.',
      tag: 'Inventory',
      params: menuItemParams,
      resource: 'menu-item',
      status: 200,
      statusDescription: 'The item',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      replyHeaders: versionHeader,
      errors: [noMenuItem],
      handle: async ({ params: { menu_item_id }, caller }) => {
        const item = await database.transaction(tx => readMenuItem(tx, menu_item_id))
        requireSight(caller, item.restaurant_id, 'menu-item', menu_item_id)
        return menuItemReplyOf(item)
      },
    }),
    route({
      method: 'patch',
      path: '/api/v1/inventory/{menu_item_id}',
      operationId: 'changeMenuItem',
      scope: 'inventory:write',
      summary: 'Change a menu item',
      description:
        'What is left out stays. Orders that were placed keep the name and the price that they were placed with. Stock is not changed here: see restock.',
      tag: 'Inventory',
      params: menuItemParams,
      resource: 'menu-item',
      body: changeMenuItemBody,
      status: 200,
      statusDescription: 'The item as it is now',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [invalid('/active', 'must be true or false'), noMenuItem],
      handle: ({ params, body, caller, versions, idempotency }) =>
        answerOnce(database, idempotency, 200, async tx => {
          if (caller.restaurants) await requireItem(tx, caller, params.menu_item_id)
          return menuItemReplyOf(await changeMenuItem(tx, { ...params, ...body, versions }))
        }),
    }),
    route({
      method: 'post',
      path: '/api/v1/inventory/{menu_item_id}/restock',
      operationId: 'restockItem',
      scope: 'inventory:write',
      summary: 'Put portions in stock',
      description: 'Adds to what is on hand, with a line in the ledger that says why.',
      tag: 'Inventory',
      params: menuItemParams,
      resource: 'menu-item',
      body: restockBody,
      status: 200,
      statusDescription: 'The item as it is now',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      replyHeaders: versionHeader,
      errors: [invalid('/quantity', 'must not be less than 1'), noMenuItem],
      handle: ({ params, body, caller, idempotency }) =>
        answerOnce(database, idempotency, 200, async tx => {
          if (caller.restaurants) await requireItem(tx, caller, params.menu_item_id)
          return menuItemReplyOf(await restock(tx, { ...params, ...body }))
        }),
    }),
  ]
}

function invalid(pointer: string, detail: string) {
  return {
    code: 'validation-failed' as const,
    detail: `${pointer}: ${detail}`,
    fields: { errors: [{ pointer, detail }] },
  }
}

function requireRestaurant(caller: Caller, restaurantId: string): void {
  requireSight(caller, restaurantId, 'restaurant', restaurantId)
}

async function requireItem(tx: Tx, caller: Caller, menuItemId: string): Promise<void> {
  const { restaurant_id } = await readMenuItem(tx, menuItemId)
  requireSight(caller, restaurant_id, 'menu-item', menuItemId)
}

function menuItemReplyOf(item: MenuItem & { restaurant: Restaurant }): RouteReply<MenuItemReply> {
  return { body: presentMenuItem(item), headers: { ETag: etagOf(item.version) } }
}

function restaurantReplyOf(restaurant: Restaurant): RouteReply<RestaurantReply> {
  return { body: presentRestaurant(restaurant), headers: { ETag: etagOf(restaurant.version) } }
}

const versionHeader = { ETag: 'Version of the entry, for `If-Match`; movements of stock do not change it' }

const noMenuItem = {
  code: 'menu-item-not-found' as const,
  detail: `No menu item has the id ${demoIds.order}`,
  fields: { id: demoIds.order },
}

const noRestaurant = {
  code: 'restaurant-not-found' as const,
  detail: `No restaurant has the id ${demoIds.order}`,
  fields: { id: demoIds.order },
}

const restaurantExample: RestaurantReply = {
  restaurant_id: demoIds.restaurant,
  name: 'Trattoria Bella Vista',
  currency: 'EUR',
  active: true,
  created_at: '2026-11-22T18:00:00.000Z',
}

const menuItemExample: MenuItemReply = {
  menu_item_id: demoIds.margherita,
  restaurant_id: demoIds.restaurant,
  name: 'Pizza Margherita',
  price: '9.50',
  currency: 'EUR',
  available_qty: 10,
  low_stock_threshold: 3,
  active: true,
  created_at: '2026-11-22T18:00:00.000Z',
  updated_at: '2026-11-22T18:00:00.000Z',
}
