import type { Shortage } from '../orders/order.ts'

/** Stock decisions, pure: who gets the last portions, and what is short. */

/** Most units of an item that may be on hand. */
export const MAX_STOCK = 1_000_000_000

/** An order's demand, one entry an item. */
export interface Demand {
  order_id: string
  items: { menu_item_id: string; name: string; quantity: number }[]
}

/** An item's stock, as it is while locked. */
export interface OnHand {
  name: string
  available_qty: number
  /** below this it is low; null: never */
  low_stock_threshold: number | null
}

/** An item of which there is less than its threshold, and was not before. */
export interface LowStock {
  menu_item_id: string
  name: string
  available_qty: number
  low_stock_threshold: number
}

export interface Allocation {
  order_id: string
  /** empty: all items are taken; otherwise nothing is, and these are short */
  shortages: Shortage[]
}

/**
 * Gives out stock in the order of `demands`, all or nothing an order: one that cannot have everything takes
 * nothing, and what it would have taken is there for the next.
 * @param available units on hand by menu item id; not changed
 */
export function allocate(demands: readonly Demand[], available: ReadonlyMap<string, number>): Allocation[] {
  const left = new Map(available)
  return demands.map(({ order_id, items }) => {
    const shortages = items
      .filter(item => (left.get(item.menu_item_id) ?? 0) < item.quantity)
      .map(item => ({
        menu_item_id: item.menu_item_id,
        name: item.name,
        requested_qty: item.quantity,
        available_qty: left.get(item.menu_item_id) ?? 0,
      }))
    if (shortages.length === 0) {
      for (const item of items)
        left.set(item.menu_item_id, (left.get(item.menu_item_id) ?? 0) - item.quantity)
    }
    return { order_id, shortages }
  })
}

/** The items that these movements take from their threshold, or above, to below it. */
export function crossings(
  before: ReadonlyMap<string, OnHand>,
  movements: readonly { menu_item_id: string; delta: number }[],
): LowStock[] {
  const moved = new Map<string, number>()
  for (const { menu_item_id, delta } of movements)
    moved.set(menu_item_id, (moved.get(menu_item_id) ?? 0) + delta)
  return [...moved].flatMap(([menu_item_id, delta]) => {
    const item = before.get(menu_item_id)
    if (!item || item.low_stock_threshold === null) return []
    const { name, low_stock_threshold, available_qty: had } = item
    const available_qty = had + delta
    const isCrossed = had >= low_stock_threshold && available_qty < low_stock_threshold
    return isCrossed ? [{ menu_item_id, name, available_qty, low_stock_threshold }] : []
  })
}
