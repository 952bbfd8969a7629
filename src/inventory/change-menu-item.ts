import type { Tx } from '../db/transaction.ts'
import { StaleVersion } from '../platform/errors.ts'
import { type MenuItem, MenuItemEntity, type Restaurant } from './inventory-entities.ts'
import { lockStock } from './lock-stock.ts'
import { parsePrice } from './parse-price.ts'
import { readMenuItem } from './stock-queries.ts'

/** Changes of a menu item. An absent property stays unchanged. */
export interface ChangeMenuItem {
  menu_item_id: string
  name?: string | undefined
  price?: string | number | undefined
  /** null: no low-stock events */
  low_stock_threshold?: number | null | undefined
  /** false: orders with this item are refused */
  active?: boolean | undefined
  /** acceptable current versions (`If-Match`); optional, default any */
  versions?: readonly number[] | undefined
}

/**
 * Changes a menu item, under its lock. Stock does not change, and neither do placed orders, which
 * have their own copy of name and price.
 * @throws NotFound; StaleVersion; ValidationFailed when the price does not fit the currency
 */
export async function changeMenuItem(
  tx: Tx,
  { menu_item_id, name, price, low_stock_threshold, active, versions }: ChangeMenuItem,
): Promise<MenuItem & { restaurant: Restaurant }> {
  const { restaurant_id } = await readMenuItem(tx, menu_item_id)
  await lockStock(tx, [{ menu_item_id, restaurant_id }])
  const item = await readMenuItem(tx, menu_item_id)
  if (versions && !versions.includes(item.version)) throw new StaleVersion('menu item', item.version)
  const now = new Date()
  const changes = {
    name: name ?? item.name,
    price_minor: price === undefined ? item.price_minor : parsePrice(price, item.restaurant),
    low_stock_threshold: low_stock_threshold === undefined ? item.low_stock_threshold : low_stock_threshold,
    deactivated_at: deactivatedAt(item.deactivated_at, active, now),
    version: item.version + 1,
    updated_at: now,
  }
  await tx.entities.update(MenuItemEntity, { menu_item_id, restaurant_id }, changes)
  return { ...item, ...changes }
}

/** Returns the new time of deactivation. Deactivating again keeps the first time. */
export function deactivatedAt(before: Date | null, active: boolean | undefined, now: Date): Date | null {
  if (active === undefined) return before
  return active ? null : (before ?? now)
}
