import type { Shortage } from '../orders/order.ts'

/** Decisions about stock. Pure. */

/** Maximum units of an item in stock. */
export const MAX_STOCK = 1_000_000_000

/** The items of an order; each item occurs once. */
export interface Demand {
  order_id: string
  items: { menu_item_id: string; name: string; quantity: number }[]
}

/** The stock of a locked item. */
export interface OnHand {
  name: string
  available_qty: number
  /** stock below this is low; null: no threshold */
  low_stock_threshold: number | null
}

/** An item whose stock has just fallen below its threshold. */
export interface LowStock {
  menu_item_id: string
  name: string
  available_qty: number
  low_stock_threshold: number
}

export interface Allocation {
  order_id: string
  /** empty: all items are allocated; otherwise none is, and these are insufficient */
  shortages: Shortage[]
}

/**
 * Allocates stock to orders, first come, first served. An order gets all of its items or none; the
 * stock that a refused order leaves is available to the next one.
 * @param available units by menu item id; not changed
 * @returns one allocation per demand, in the same order
 */
export function allocate(demands: readonly Demand[], available: ReadonlyMap<string, number>): Allocation[] {
  const remaining = new Map(available)
  return demands.map(({ order_id, items }) => {
    const shortages = items
      .filter(item => (remaining.get(item.menu_item_id) ?? 0) < item.quantity)
      .map(item => ({
        menu_item_id: item.menu_item_id,
        name: item.name,
        requested_qty: item.quantity,
        available_qty: remaining.get(item.menu_item_id) ?? 0,
      }))
    if (shortages.length === 0) {
      for (const item of items)
        remaining.set(item.menu_item_id, (remaining.get(item.menu_item_id) ?? 0) - item.quantity)
    }
    return { order_id, shortages }
  })
}

/** Returns the items whose stock falls below their threshold through `movements`. */
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
    const { name, low_stock_threshold, available_qty: before_qty } = item
    const available_qty = before_qty + delta
    const isCrossed = before_qty >= low_stock_threshold && available_qty < low_stock_threshold
    return isCrossed ? [{ menu_item_id, name, available_qty, low_stock_threshold }] : []
  })
}
