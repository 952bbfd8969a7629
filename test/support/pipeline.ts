import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../src/db/database.ts'
import type { Queries, Tx } from '../../src/db/transaction.ts'
import type { EventType } from '../../src/events/catalogue.ts'
import type { EventOf } from '../../src/events/event.ts'
import { addMenuItem } from '../../src/inventory/add-menu-item.ts'
import { addRestaurant } from '../../src/inventory/add-restaurant.ts'
import { deductStock } from '../../src/inventory/deduct-stock.ts'
import { restoreStock } from '../../src/inventory/restore-stock.ts'
import { cancelOrder } from '../../src/orders/cancel-order.ts'
import { changeReadiness } from '../../src/orders/change-readiness.ts'
import { changeStatus } from '../../src/orders/change-status.ts'
import type { OrderStatus } from '../../src/orders/order.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { prepareOrders } from '../../src/orders/prepare-order.ts'
import { rejectOrders } from '../../src/orders/reject-order.ts'
import { appendEvents } from '../../src/outbox/append-event.ts'
import type { EventHandler, Handled } from '../../src/outbox/event-handler.ts'

/**
 * The steps of the asynchronous pipeline as functions: tests run the handlers in any order, without
 * queues.
 */

const trace = { request_id: 'test' }

export interface Menu {
  restaurant_id: string
  menu_item_ids: string[]
}

/** Creates a restaurant with one menu item per stock level. */
export async function addMenu(database: Database, ...stocks: number[]): Promise<Menu> {
  return await database.transaction(async tx => {
    const { restaurant_id } = await addRestaurant(tx, {
      restaurant_id: uuidv7(),
      name: 'Trattoria',
      currency: 'EUR',
    })
    const menu_item_ids: string[] = []
    for (const available_qty of stocks) {
      const item = await addMenuItem(tx, {
        restaurant_id,
        name: 'Pizza',
        price: 950 / 100,
        available_qty,
        trace: {},
      })
      menu_item_ids.push(item.menu_item_id)
    }
    return { restaurant_id, menu_item_ids }
  })
}

/** Places an order for `quantity` units of every menu item. @returns the order's id */
export async function place(
  database: Queries,
  { restaurant_id, menu_item_ids }: Menu,
  quantity = 1,
): Promise<string> {
  const items = menu_item_ids.map(menu_item_id => ({ menu_item_id, quantity }))
  const [outcome] = await placeOrders(database, [{ order_id: uuidv7(), restaurant_id, items, trace }])
  if (!outcome || outcome instanceof Error) throw outcome ?? new Error('no outcome')
  return outcome.order_id
}

export const cancel = (database: Database, order_id: string) =>
  database.transaction(tx => cancelOrder(tx, { order_id, reason: 'test', trace }))

export const setStatus = (database: Database, order_id: string, to: OrderStatus) =>
  database.transaction(tx => changeStatus(tx, { order_id, to, trace }))

export const setReady = (database: Database, order_id: string, isReady = true) =>
  database.transaction(tx => changeReadiness(tx, { order_id, isReady, trace }))

/** Handles an order's events as a worker does: effects and emitted events in one transaction. */
async function handleEvent<Type extends EventType>(
  database: Database,
  orderId: string,
  type: Type,
  handle: EventHandler<Type>,
): Promise<Handled> {
  const events = await eventsOf(database, orderId, type)
  return await database.transaction(tx => handleAndAppend(tx, events, handle))
}

async function handleAndAppend<Type extends EventType>(
  tx: Tx,
  events: EventOf<Type>[],
  handle: EventHandler<Type>,
): Promise<Handled> {
  const handled = await handle(tx, events)
  appendEvents(tx, handled.events)
  return handled
}

export async function eventsOf<Type extends EventType>(
  database: Database,
  orderId: string,
  type: Type,
): Promise<EventOf<Type>[]> {
  return await database.query<EventOf<Type>>(
    `select event_id, restaurant_id, type, order_id, payload, trace_context
    from outbox_events where order_id = $1 and type = $2 order by event_id`,
    [orderId, type],
  )
}

export const deduct = (database: Database, orderId: string) =>
  handleEvent(database, orderId, 'order.placed.v1', deductStock)
export const prepare = (database: Database, orderId: string) =>
  handleEvent(database, orderId, 'inventory.deducted.success.v1', prepareOrders)
export const reject = (database: Database, orderId: string) =>
  handleEvent(database, orderId, 'inventory.deducted.failed.v1', rejectOrders)
export const restore = (database: Database, orderId: string) =>
  handleEvent(database, orderId, 'order.cancelled.v1', restoreStock)

export async function statusOf(database: Database, orderId: string): Promise<OrderStatus | undefined> {
  const [order] = await database.query<{ status: OrderStatus }>(
    'select status from orders where order_id = $1',
    [orderId],
  )
  return order?.status
}

export async function stockOf(database: Database, { menu_item_ids }: Menu): Promise<number[]> {
  const rows = await database.query<{ available_qty: number }>(
    `select available_qty from unnest($1::uuid[]) with ordinality as wanted (menu_item_id, place)
    join menu_items using (menu_item_id) order by place`,
    [menu_item_ids],
  )
  return rows.map(({ available_qty }) => available_qty)
}
