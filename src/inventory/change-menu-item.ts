import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { appendEvents } from '../outbox/append-event.ts'
import { now } from '../platform/clock.ts'
import { isChange } from '../platform/is-change.ts'
import type { Precondition } from '../platform/precondition.ts'
import { type AvailabilityChange, changeAvailability } from './availability.ts'
import { itemChanged } from './changed-events.ts'
import { itemChangedAt, MenuItemEntity, type StoredMenuItem } from './inventory-entities.ts'
import { lockStock } from './lock-stock.ts'
import { parsePrice } from './parse-price.ts'
import { reportLowStock } from './report-low-stock.ts'
import { returnItems } from './return-to-menu.ts'
import { menuItemTagOf, readMenuItem } from './stock-queries.ts'

/** Changes of a menu item. An absent property stays unchanged. */
export interface ChangeMenuItem extends AvailabilityChange {
  menu_item_id: string
  name?: string | undefined
  price?: string | number | undefined
  /** null: stock is never low */
  low_stock_threshold?: number | null | undefined
  precondition?: Precondition | undefined
  trace: TraceContext
}

/**
 * Changes a menu item, under its lock. Stock does not change, and neither do placed orders, which
 * have their own copy of name and price. A change to the same values keeps the version. Appends
 * `inventory.item.changed.v1`, and the low-stock event if a new threshold makes the stock low.
 * @throws NotFound; the errors of the precondition; ValidationFailed when the price does not fit
 *   the currency, and the errors of {@link changeAvailability}
 */
export async function changeMenuItem(
  tx: Tx,
  { menu_item_id, name, price, low_stock_threshold, precondition, trace, ...availability }: ChangeMenuItem,
): Promise<StoredMenuItem> {
  const { restaurant_id } = await readMenuItem(tx, menu_item_id)
  await lockStock(tx, [{ menu_item_id, restaurant_id }])
  let item = await readMenuItem(tx, menu_item_id)
  if (item.has_returned) {
    appendEvents(tx, await returnItems(tx, [menu_item_id], () => trace))
    item = await readMenuItem(tx, menu_item_id)
  }
  precondition?.('menu item', menuItemTagOf(item))
  const changes = {
    name: name ?? item.name,
    price_minor: price === undefined ? item.price_minor : parsePrice(price, item.restaurant),
    low_stock_threshold: low_stock_threshold === undefined ? item.low_stock_threshold : low_stock_threshold,
    ...changeAvailability(item, availability, now()),
  }
  if (!isChange(item, changes)) return item
  await tx.entities.update(
    MenuItemEntity,
    { menu_item_id, restaurant_id },
    { ...changes, version: item.version + 1, updated_at: () => itemChangedAt },
  )
  const changed = await readMenuItem(tx, menu_item_id)
  appendEvents(tx, [itemChanged(item, changed, trace)])
  reportLowStock(tx, item, changed, trace)
  return changed
}
