import type { Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { newId } from '../platform/ids.ts'
import {
  type MenuItem,
  MenuItemEntity,
  type Restaurant,
  RestaurantEntity,
  StockMovementEntity,
} from './inventory-entities.ts'
import { parsePrice } from './parse-price.ts'

export interface AddMenuItem {
  menu_item_id?: string
  restaurant_id: string
  name: string
  /** as the client sent it: the currency of the restaurant decides its decimals; default 0 */
  price?: string | number | undefined
  available_qty: number
  low_stock_threshold?: number | undefined
}

/**
 * Adds an item to the menu of a restaurant. Its initial stock is the first row of its ledger.
 * @throws NotFound when the restaurant does not exist; ValidationFailed when the price does not fit
 *   its currency
 */
export async function addMenuItem(
  tx: Tx,
  request: AddMenuItem,
): Promise<MenuItem & { restaurant: Restaurant }> {
  const {
    menu_item_id = newId(),
    restaurant_id,
    name,
    price = 0,
    available_qty,
    low_stock_threshold = null,
  } = request
  const restaurant = await tx.entities.findOneBy(RestaurantEntity, { restaurant_id })
  if (!restaurant) throw new NotFound('restaurant', restaurant_id)
  const now = new Date()
  const item = {
    menu_item_id,
    restaurant_id,
    name,
    price_minor: parsePrice(price, restaurant),
    available_qty,
    low_stock_threshold,
    deactivated_at: null,
    version: 1,
    created_at: now,
    updated_at: now,
  }
  await tx.entities.insert(MenuItemEntity, item)
  await tx.entities.insert(StockMovementEntity, {
    movement_id: newId(),
    restaurant_id,
    menu_item_id,
    kind: 'INITIAL',
    delta: available_qty,
  })
  return { ...item, restaurant }
}
