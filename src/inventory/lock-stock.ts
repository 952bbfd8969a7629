import { uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import type { OnHand } from './stock.ts'

/**
 * Locks menu items in id order, each once, after the orders' locks. `no key`, because placing an order holds a key
 * lock on its items, taken in another order: the full lock deadlocks with that.
 * @returns what is on hand by menu item id
 */
export async function lockStock(
  tx: Tx,
  items: readonly { menu_item_id: string; restaurant_id: string }[],
): Promise<Map<string, OnHand>> {
  if (items.length === 0) return new Map()
  const rows = await tx.query<OnHand & { menu_item_id: string }>(lockSql, [
    uuids(items.map(item => item.menu_item_id)),
    uuids(items.map(item => item.restaurant_id)),
  ])
  return new Map(rows.map(row => [row.menu_item_id, row]))
}

const lockSql = `
  select menu_item_id, name, available_qty, low_stock_threshold
  from menu_items
  where menu_item_id = any($1::uuid[])
    and restaurant_id = any($2::uuid[])
  order by menu_item_id
  for no key update
`
