import type { Database } from '../db/database.ts'
import { answerOnce } from '../http/idempotency.ts'
import { type Route, route } from '../http/route.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { addMenuItem } from './add-menu-item.ts'
import { addRestaurant } from './add-restaurant.ts'
import {
  addMenuItemBody,
  addRestaurantBody,
  type MenuItemReply,
  menuItemParams,
  menuItemReply,
  presentMenuItem,
  presentRestaurant,
  restaurantParams,
  restaurantReply,
} from './stock-contract.ts'
import { readMenuItem } from './stock-queries.ts'

/** Restaurants, their menus, and what is in stock. */
export function stockRoutes({ database }: { database: Database }): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/inventory/add/restaurant',
      operationId: 'addRestaurant',
      summary: 'Add a restaurant',
      description: 'Its currency holds for every price on its menu.',
      tag: 'Inventory',
      body: addRestaurantBody,
      status: 201,
      statusDescription: 'Added',
      replySchema: restaurantReply,
      replyExample: {
        restaurant_id: demoIds.restaurant,
        name: 'Trattoria Bella Vista',
        currency: 'EUR',
        created_at: '2026-11-22T18:00:00.000Z',
      },
      errors: [invalid('/currency', 'must be an ISO 4217 code like EUR')],
      handle: ({ body, idempotency }) =>
        answerOnce(database, idempotency, 201, async tx => ({
          body: presentRestaurant(await addRestaurant(tx, body)),
        })),
    }),
    route({
      method: 'post',
      path: '/api/v1/inventory/add/{restaurant_id}/item',
      operationId: 'addMenuItem',
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
        invalid('/available_qty', 'must not be less than 0'),
        {
          code: 'restaurant-not-found',
          detail: `No restaurant has the id ${demoIds.order}`,
          fields: { id: demoIds.order },
        },
      ],
      handle: ({ params, body, idempotency }) =>
        answerOnce(database, idempotency, 201, async tx => ({
          body: presentMenuItem(await addMenuItem(tx, { ...params, ...body })),
        })),
    }),
    route({
      method: 'get',
      path: '/api/v1/inventory/{menu_item_id}',
      operationId: 'getMenuItem',
      summary: 'Look at a menu item and its stock',
      description: 'What is on hand now; orders that are still PLACED have not been deducted yet.',
      tag: 'Inventory',
      params: menuItemParams,
      resource: 'menu-item',
      status: 200,
      statusDescription: 'The item',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      errors: [
        {
          code: 'menu-item-not-found',
          detail: `No menu item has the id ${demoIds.order}`,
          fields: { id: demoIds.order },
        },
      ],
      handle: async ({ params }) => ({
        body: presentMenuItem(await database.transaction(tx => readMenuItem(tx, params.menu_item_id))),
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

const menuItemExample: MenuItemReply = {
  menu_item_id: demoIds.margherita,
  restaurant_id: demoIds.restaurant,
  name: 'Pizza Margherita',
  price: '9.50',
  currency: 'EUR',
  available_qty: 10,
  low_stock_threshold: 3,
  created_at: '2026-11-22T18:00:00.000Z',
  updated_at: '2026-11-22T18:00:00.000Z',
}
