import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { now } from '../platform/clock.ts'
import { isChange } from '../platform/is-change.ts'
import type { Precondition } from '../platform/precondition.ts'
import { itemChangedAt, MenuItemEntity, type StoredMenuItem } from './inventory-entities.ts'
import { lockStock } from './lock-stock.ts'
import { parsePrice } from './parse-price.ts'
import { reportLowStock } from './report-low-stock.ts'
import { menuItemTagOf, readMenuItem } from './stock-queries.ts'

/** Changes of a menu item. An absent property stays unchanged. */
export interface ChangeMenuItem {
  menu_item_id: string
  name?: string | undefined
  price?: string | number | undefined
  /** null: stock is never low */
  low_stock_threshold?: number | null | undefined
  /** false: orders with this item are refused */
  active?: boolean | undefined
  precondition?: Precondition | undefined
  trace: TraceContext
}

/**
 * Changes a menu item, under its lock. Stock does not change, and neither do placed orders, which
 * have their own copy of name and price. A change to the same values keeps the version. Appends the
 * low-stock event if a new threshold makes the stock low.
 * @throws NotFound; the errors of the precondition; ValidationFailed when the price does not fit
 *   the currency
 */
export async function changeMenuItem(
  tx: Tx,
  { menu_item_id, name, price, low_stock_threshold, active, precondition, trace }: ChangeMenuItem,
): Promise<StoredMenuItem> {
  const { restaurant_id } = await readMenuItem(tx, menu_item_id)
  await lockStock(tx, [{ menu_item_id, restaurant_id }])
  const item = await readMenuItem(tx, menu_item_id)
  precondition?.('menu item', menuItemTagOf(item))
  const changes = {
    name: name ?? item.name,
    price_minor: price === undefined ? item.price_minor : parsePrice(price, item.restaurant),
    low_stock_threshold: low_stock_threshold === undefined ? item.low_stock_threshold : low_stock_threshold,
    deactivated_at: deactivatedAt(item.deactivated_at, active),
  }
  if (!isChange(item, changes)) return item
  await tx.entities.update(
    MenuItemEntity,
    { menu_item_id, restaurant_id },
    { ...changes, version: item.version + 1, updated_at: () => itemChangedAt },
  )
  const changed = await readMenuItem(tx, menu_item_id)
  reportLowStock(tx, item, changed, trace)
  return changed
}

/** Returns the new time of deactivation. Deactivating again keeps the first time. */
export function deactivatedAt(before: Date | null, active: boolean | undefined): Date | null {
  if (active === undefined) return before
  return active ? null : (before ?? now())
}
