import type { Tx } from '../db/transaction.ts'
import { StaleVersion } from '../platform/errors.ts'
import { type MenuItem, MenuItemEntity, type Restaurant } from './inventory-entities.ts'
import { lockStock } from './lock-stock.ts'
import { parsePrice } from './parse-price.ts'
import { readMenuItem } from './stock-queries.ts'

/** What to change; what is left out stays. */
export interface ChangeMenuItem {
  menu_item_id: string
  name?: string | undefined
  price?: string | number | undefined
  /** null: stock never counts as low */
  low_stock_threshold?: number | null | undefined
  /** false: no order takes it, until it is active again */
  active?: boolean | undefined
  /** the versions it may be changed from; left out, any */
  versions?: readonly number[] | undefined
}

/**
 * Changes an item's entry on the menu. Never its stock, and never an order that was placed: that has its own copy of
 * name and price.
 * @throws NotFound, StaleVersion, ValidationFailed when the price does not fit the currency
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
    price_minor: price === undefined ? item.price_minor : parsePrice(price, item.restaurant.currency),
    low_stock_threshold: low_stock_threshold === undefined ? item.low_stock_threshold : low_stock_threshold,
    deactivated_at: deactivatedAt(item.deactivated_at, active, now),
    version: item.version + 1,
    updated_at: now,
  }
  await tx.entities.update(MenuItemEntity, { menu_item_id, restaurant_id }, changes)
  return { ...item, ...changes }
}

/** When it was deactivated: what is inactive already stays so since then. */
export function deactivatedAt(before: Date | null, active: boolean | undefined, now: Date): Date | null {
  if (active === undefined) return before
  return active ? null : (before ?? now)
}
