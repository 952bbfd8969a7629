import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { withIdempotency } from '../http/idempotency.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import type { WakeDispatcher } from '../outbox/notify-channels.ts'
import { assertCanAccess, type Caller, requireUnrestricted } from '../platform/caller.ts'
import { StockShort, ValidationFailed } from '../platform/errors.ts'
import type { IdempotentRequest } from '../platform/idempotent-request.ts'
import { newIdInOneOf } from '../platform/slots.ts'
import { addMenuItem } from './add-menu-item.ts'
import { addRestaurant } from './add-restaurant.ts'
import { changeMenuItem } from './change-menu-item.ts'
import { changeStock } from './change-stock.ts'
import type { StoredMenuItem } from './inventory-entities.ts'
import {
  addMenuItemBody,
  addRestaurantBody,
  adjustmentBody,
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
import { menuItemExample, menuItemTag, restaurantExample } from './stock-examples.ts'
import { menuItemTagOf, readMenuItem } from './stock-queries.ts'

export interface StockRoutesOptions {
  database: Database
  /** slots that this API serves, one of which a new restaurant gets; undefined means all */
  servedSlots: ReadonlySet<string> | undefined
  wakeDispatcher: WakeDispatcher
}

/** Settings shared by the operations that change one menu item. */
const menuItemChange = {
  scope: 'inventory:write',
  tag: 'Inventory',
  params: menuItemParams,
  resource: 'menu-item',
  status: 200,
  statusDescription: 'The menu item after the change',
  replySchema: menuItemReply,
  replyExample: menuItemExample,
  replyHeaders: menuItemTag,
  conditional: true,
} as const

/** Operations that add restaurants and menu items and change stock. */
export function stockRoutes({ database, servedSlots, wakeDispatcher }: StockRoutesOptions): Route[] {
  /** Runs a change of an item that may append a low-stock event. */
  async function change(
    menuItemId: string,
    caller: Caller,
    idempotency: IdempotentRequest | undefined,
    work: (tx: Tx) => Promise<StoredMenuItem>,
  ): Promise<RouteReply<MenuItemReply>> {
    return await withIdempotency(database, idempotency, 200, async tx => {
      if (caller.restaurants) await assertItemAccess(tx, caller, menuItemId)
      tx.afterCommit(wakeDispatcher)
      return menuItemReplyOf(await work(tx))
    })
  }

  return [
    route({
      method: 'post',
      path: '/api/v1/inventory/add/restaurant',
      operationId: 'addRestaurant',
      scope: 'inventory:write',
      summary: 'Add a restaurant',
      description:
        'Creates a restaurant. Its currency applies to all prices on its menu and cannot be changed. Its time zone applies to its statistics.',
      tag: 'Inventory',
      body: addRestaurantBody,
      status: 201,
      statusDescription: 'The new restaurant',
      replySchema: restaurantReply,
      replyExample: restaurantExample,
      errors: [new ValidationFailed([{ pointer: '/currency', detail: 'must be an ISO 4217 code like EUR' }])],
      handle: ({ body, caller, idempotency }) => {
        requireUnrestricted(caller, 'add one')
        return withIdempotency(database, idempotency, 201, async tx => ({
          body: presentRestaurant(
            await addRestaurant(tx, { restaurant_id: newIdInOneOf(servedSlots), ...body }),
          ),
        }))
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/inventory/add/{restaurant_id}/item',
      operationId: 'addMenuItem',
      scope: 'inventory:write',
      summary: 'Add a menu item',
      description:
        'Creates a menu item with an initial stock of `available_qty`. The price is optional, default `"0.00"`.',
      tag: 'Inventory',
      params: restaurantParams,
      resource: 'restaurant',
      body: addMenuItemBody,
      status: 201,
      statusDescription: 'The new menu item',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      errors: [
        new ValidationFailed([{ pointer: '/available_qty', detail: 'must not be less than 0' }]),
        'restaurant-not-found',
      ],
      handle: ({ params, body, caller, idempotency, trace }) => {
        assertCanAccess(caller, params.restaurant_id, 'restaurant', params.restaurant_id)
        return withIdempotency(database, idempotency, 201, async tx => {
          tx.afterCommit(wakeDispatcher)
          return { body: presentMenuItem(await addMenuItem(tx, { ...params, ...body, trace })) }
        })
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/inventory/{menu_item_id}',
      operationId: 'getMenuItem',
      scope: 'inventory:read',
      summary: 'Get a menu item and its stock',
      description:
        'Returns the menu item with its current stock. The stock of orders that are still PLACED is not deducted yet.',
      tag: 'Inventory',
      params: menuItemParams,
      resource: 'menu-item',
      status: 200,
      statusDescription: 'The menu item',
      replySchema: menuItemReply,
      replyExample: menuItemExample,
      replyHeaders: menuItemTag,
      conditional: true,
      errors: ['menu-item-not-found'],
      handle: async ({ params: { menu_item_id }, caller }) => {
        const item = await database.transaction(tx => readMenuItem(tx, menu_item_id))
        assertCanAccess(caller, item.restaurant_id, 'menu-item', menu_item_id)
        return menuItemReplyOf(item)
      },
    }),
    route({
      ...menuItemChange,
      method: 'patch',
      path: '/api/v1/inventory/{menu_item_id}',
      operationId: 'changeMenuItem',
      summary: 'Update a menu item',
      description:
        'Changes the properties that are sent; all others stay unchanged. Placed orders keep their name and price. With `active: false`, new orders with the item are refused, until `inactive_until` if it is sent; the return is published as `inventory.item.changed.v1` within seconds. To change stock, use restock or adjust.',
      body: changeMenuItemBody,
      errors: [
        new ValidationFailed([{ pointer: '/active', detail: 'must be true or false' }]),
        'menu-item-not-found',
      ],
      handle: ({ params, body, caller, precondition, idempotency, trace }) =>
        change(params.menu_item_id, caller, idempotency, tx =>
          changeMenuItem(tx, { ...params, ...body, precondition, trace }),
        ),
    }),
    route({
      ...menuItemChange,
      method: 'post',
      path: '/api/v1/inventory/{menu_item_id}/restock',
      operationId: 'restockItem',
      summary: 'Restock a menu item',
      description:
        'Adds portions to the stock and records the reason in the ledger. Not idempotent by itself: send an `Idempotency-Key` to retry safely.',
      body: restockBody,
      errors: [
        new ValidationFailed([{ pointer: '/quantity', detail: 'must not be less than 1' }]),
        'menu-item-not-found',
      ],
      handle: ({ params, body, caller, precondition, idempotency, trace }) =>
        change(params.menu_item_id, caller, idempotency, tx =>
          changeStock(tx, { kind: 'RESTOCK', ...params, ...body, precondition, trace }),
        ),
    }),
    route({
      ...menuItemChange,
      method: 'post',
      path: '/api/v1/inventory/{menu_item_id}/adjust',
      operationId: 'adjustStock',
      summary: 'Adjust the stock of a menu item',
      description:
        'Adds or removes portions, for example after waste or a count, and records the reason in the ledger. Not idempotent by itself: send an `Idempotency-Key` to retry safely.',
      body: adjustmentBody,
      errors: [
        new ValidationFailed([{ pointer: '/quantity', detail: 'must not be 0' }]),
        new StockShort(3, -5),
        'menu-item-not-found',
      ],
      handle: ({ params, body, caller, precondition, idempotency, trace }) =>
        change(params.menu_item_id, caller, idempotency, tx =>
          changeStock(tx, { kind: 'ADJUST', ...params, ...body, precondition, trace }),
        ),
    }),
  ]
}

/** @throws NotFound when the caller cannot access the restaurant of the item */
async function assertItemAccess(tx: Tx, caller: Caller, menuItemId: string): Promise<void> {
  const { restaurant_id } = await readMenuItem(tx, menuItemId)
  assertCanAccess(caller, restaurant_id, 'menu-item', menuItemId)
}

function menuItemReplyOf(item: StoredMenuItem): RouteReply<MenuItemReply> {
  return { body: presentMenuItem(item), headers: { ETag: menuItemTagOf(item) } }
}
