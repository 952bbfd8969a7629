import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { NotFound } from '../platform/errors.ts'
import { newId } from '../platform/ids.ts'
import { newIdInSlotOf } from '../platform/slots.ts'
import { ACTIVE } from './availability.ts'
import {
  MenuItemEntity,
  RestaurantEntity,
  StockMovementEntity,
  type StoredMenuItem,
} from './inventory-entities.ts'
import { parsePrice } from './parse-price.ts'
import { reportLowStock } from './report-low-stock.ts'
import { readMenuItem } from './stock-queries.ts'

export interface AddMenuItem {
  menu_item_id?: string
  restaurant_id: string
  name: string
  /** as the client sent it: the currency of the restaurant decides its decimals; default 0 */
  price?: string | number | undefined
  available_qty: number
  low_stock_threshold?: number | undefined
  trace: TraceContext
}

/**
 * Adds an item to the menu of a restaurant. Its initial stock is the first row of its ledger,
 * and the low-stock event is appended if the initial stock is low.
 * @throws NotFound when the restaurant does not exist; ValidationFailed when the price does not fit
 *   its currency
 */
export async function addMenuItem(tx: Tx, request: AddMenuItem): Promise<StoredMenuItem> {
  const {
    restaurant_id,
    menu_item_id = newIdInSlotOf(restaurant_id),
    name,
    price = 0,
    available_qty,
    low_stock_threshold = null,
    trace,
  } = request
  const restaurant = await tx.entities.findOneBy(RestaurantEntity, { restaurant_id })
  if (!restaurant) throw new NotFound('restaurant', restaurant_id)
  await tx.entities.insert(MenuItemEntity, {
    menu_item_id,
    restaurant_id,
    name,
    price_minor: parsePrice(price, restaurant),
    available_qty,
    low_stock_threshold,
    ...ACTIVE,
    version: 1,
  })
  await tx.entities.insert(StockMovementEntity, {
    movement_id: newId(),
    restaurant_id,
    menu_item_id,
    kind: 'INITIAL',
    delta: available_qty,
  })
  const item = await readMenuItem(tx, menu_item_id)
  reportLowStock(tx, null, item, trace)
  return item
}
