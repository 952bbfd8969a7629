import type { Tx } from '../db/transaction.ts'
import { newId } from '../platform/ids.ts'

/** One line of the ledger: `delta` units of an item, for an order's event. */
export interface StockMovement {
  restaurant_id: string
  menu_item_id: string
  order_id: string | null
  event_id: string | null
  kind: 'DEDUCT' | 'RESTORE' | 'RESTOCK'
  delta: number
  /** in words, of a restock */
  reason?: string
}

/**
 * Moves the stock of locked items and writes the ledger, in one statement: on hand is always the ledger's sum.
 * Left under way: the commit fails when a line is in the ledger already (the unique index), or stock would go below
 * zero (the check).
 */
export function moveStock(tx: Tx, movements: readonly StockMovement[]): void {
  if (movements.length > 0) tx.leaveUnderWay(move(tx, movements))
}

async function move(tx: Tx, movements: readonly StockMovement[]): Promise<void> {
  const lines = movements.map(movement => ({ movement_id: newId(), ...movement }))
  const written = await tx.execute(moveSql, [JSON.stringify(lines)])
  if (written !== lines.length)
    throw new Error(`wrote ${written} of ${lines.length} stock movements: an item is missing`)
}

const moveSql = `
  with line as (
    select *
    from json_to_recordset($1::text::json) as line (movement_id uuid, restaurant_id uuid, menu_item_id uuid,
      order_id uuid, event_id uuid, kind text, delta integer, reason text)
  ), total as (
    select menu_item_id, restaurant_id, sum(delta)::integer as delta
    from line
    group by menu_item_id, restaurant_id
  ), moved as (
    update menu_items
    set available_qty = menu_items.available_qty + total.delta, updated_at = clock_timestamp()
    from total
    where menu_items.menu_item_id = any(array(select menu_item_id from total))
      and menu_items.menu_item_id = total.menu_item_id
      and menu_items.restaurant_id = total.restaurant_id
    returning menu_items.menu_item_id
  )
  insert into stock_movements (movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta, reason)
  select movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta, reason
  from line
  where menu_item_id in (select menu_item_id from moved)
`
