import type { Shortage } from '../orders/order.ts'

/** Decisions about stock. Pure. */

/** Maximum units of an item in stock. */
export const MAX_STOCK = 1_000_000_000

/** The items of an order; each item occurs once. */
export interface Demand {
  order_id: string
  items: { menu_item_id: string; name: string; quantity: number }[]
}

/** Reasons of an adjustment. */
export const reasonCodes = ['WASTE', 'CORRECTION', 'THEFT', 'OTHER'] as const

export type ReasonCode = (typeof reasonCodes)[number]

export interface StockLevel {
  available_qty: number
  /** stock at or below this is low; null: never */
  low_stock_threshold: number | null
}

/** The stock of a locked item. */
export interface OnHand extends StockLevel {
  name: string
}

/** An item whose stock has just become low. */
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

/**
 * Returns whether stock is low: at or below its threshold. The check constraint
 * `items_are_low_at_or_below_their_threshold` has the same definition in SQL.
 */
function isLow({ available_qty, low_stock_threshold }: StockLevel): boolean {
  return low_stock_threshold !== null && available_qty <= low_stock_threshold
}

/** Returns whether a change made stock low that was not. @param before null: the item is new */
export function becomesLow(before: StockLevel | null, after: StockLevel): boolean {
  return isLow(after) && !(before && isLow(before))
}

/** Returns the items whose stock becomes low through `movements`. */
export function crossings(before: ReadonlyMap<string, OnHand>, movements: readonly Movement[]): LowStock[] {
  return [...sums(movements)].flatMap(([menu_item_id, delta]) => {
    const item = before.get(menu_item_id)
    if (!item || item.low_stock_threshold === null) return []
    const { name, low_stock_threshold } = item
    const after = { available_qty: item.available_qty + delta, low_stock_threshold }
    return becomesLow(item, after) ? [{ menu_item_id, name, ...after }] : []
  })
}

/** Returns the ids of the items whose stock reaches or leaves zero through `movements`. */
export function zeroCrossings(
  before: ReadonlyMap<string, Pick<OnHand, 'available_qty'>>,
  movements: readonly Movement[],
): string[] {
  return [...sums(movements)].flatMap(([menu_item_id, delta]) => {
    const onHand = before.get(menu_item_id)?.available_qty
    return onHand !== undefined && (onHand === 0) !== (onHand + delta === 0) ? [menu_item_id] : []
  })
}

interface Movement {
  menu_item_id: string
  delta: number
}

function sums(movements: readonly Movement[]): Map<string, number> {
  const sum = new Map<string, number>()
  for (const { menu_item_id, delta } of movements) sum.set(menu_item_id, (sum.get(menu_item_id) ?? 0) + delta)
  return sum
}
