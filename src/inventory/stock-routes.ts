import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { etagOf } from '../http/etag.ts'
import { withIdempotency } from '../http/idempotency.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import { assertCanAccess, type Caller, requireUnrestricted } from '../platform/caller.ts'
import { ValidationFailed } from '../platform/errors.ts'
import { addMenuItem } from './add-menu-item.ts'
import { addRestaurant } from './add-restaurant.ts'
import { changeMenuItem } from './change-menu-item.ts'
import type { MenuItem, Restaurant } from './inventory-entities.ts'
import { restock } from './restock.ts'
import {
  addMenuItemBody,
  addRestaurantBody,
  changeMenuItemBody,
  type MenuItemReply,
  menuItemParams,
  menuItemReply,
  presentMenuItem,
  presentRestaurant,
  restaurantParams,
  restaurantReply,
  restockBody,
} from './stock-contract.ts'
import { menuItemExample, restaurantExample, versionHeader } from './stock-examples.ts'
import { readMenuItem } from './stock-queries.ts'

/** What is put on menus and in stock. */
export function stockRoutes({ database }: { database: Database }): Route[] {
  return [
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
      errors: [new ValidationFailed([{ pointer: '/currency', detail: 'must be an ISO 4217 code like EUR' }])],
      handle: ({ body, caller, idempotency }) => {
        requireUnrestricted(caller)
        return withIdempotency(database, idempotency, 201, async tx => ({
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
      errors: [
        new ValidationFailed([{ pointer: '/available_qty', detail: 'must not be less than 0' }]),
        'restaurant-not-found',
      ],
      handle: ({ params, body, caller, idempotency }) => {
        assertCanAccess(caller, params.restaurant_id, 'restaurant', params.restaurant_id)
        return withIdempotency(database, idempotency, 201, async tx => ({
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
      errors: ['menu-item-not-found'],
      handle: async ({ params: { menu_item_id }, caller }) => {
        const item = await database.transaction(tx => readMenuItem(tx, menu_item_id))
        assertCanAccess(caller, item.restaurant_id, 'menu-item', menu_item_id)
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
      errors: [
        new ValidationFailed([{ pointer: '/active', detail: 'must be true or false' }]),
        'menu-item-not-found',
      ],
      handle: ({ params, body, caller, versions, idempotency }) =>
        withIdempotency(database, idempotency, 200, async tx => {
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
      errors: [
        new ValidationFailed([{ pointer: '/quantity', detail: 'must not be less than 1' }]),
        'menu-item-not-found',
      ],
      handle: ({ params, body, caller, idempotency }) =>
        withIdempotency(database, idempotency, 200, async tx => {
          if (caller.restaurants) await requireItem(tx, caller, params.menu_item_id)
          return menuItemReplyOf(await restock(tx, { ...params, ...body }))
        }),
    }),
  ]
}

async function requireItem(tx: Tx, caller: Caller, menuItemId: string): Promise<void> {
  const { restaurant_id } = await readMenuItem(tx, menuItemId)
  assertCanAccess(caller, restaurant_id, 'menu-item', menuItemId)
}

function menuItemReplyOf(item: MenuItem & { restaurant: Restaurant }): RouteReply<MenuItemReply> {
  return { body: presentMenuItem(item), headers: { ETag: etagOf(item.version) } }
}
