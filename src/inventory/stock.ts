import type { Shortage } from '../orders/order.ts'

/** Stock decisions, pure: who gets the last portions, and what is short. */

/** An order's demand, one entry an item. */
export interface Demand {
  order_id: string
  items: { menu_item_id: string; name: string; quantity: number }[]
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
