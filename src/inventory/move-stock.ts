import { bigints, texts, uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import { newId } from '../platform/ids.ts'
import { itemChangedAt } from './inventory-entities.ts'
import type { ReasonCode } from './stock.ts'

/** One row of the ledger: a change of `delta` units of an item. */
export interface StockMovement {
  restaurant_id: string
  menu_item_id: string
  order_id: string | null
  event_id: string | null
  kind: 'DEDUCT' | 'RESTORE' | 'RESTOCK' | 'ADJUST'
  delta: number
  /** of an ADJUST */
  reason_code?: ReasonCode | undefined
  /** free text of a RESTOCK or ADJUST */
  reason?: string | undefined
}

/**
 * Changes the stock of locked items and writes the ledger in one statement, so that `available_qty`
 * always equals the sum of the ledger. The statement is pipelined and not awaited here. The
 * transaction fails to commit when an order would deduct or restore an item twice (the unique index
 * `an_order_moves_an_item_once_a_kind`), or when stock would become negative (a check constraint).
 */
export function moveStock(tx: Tx, movements: readonly StockMovement[]): void {
  if (movements.length > 0) tx.pipeline(move(tx, movements))
}

async function move(tx: Tx, movements: readonly StockMovement[]): Promise<void> {
  const written = await tx.execute(moveSql, [
    uuids(movements.map(() => newId())),
    uuids(movements.map(movement => movement.restaurant_id)),
    uuids(movements.map(movement => movement.menu_item_id)),
    uuids(movements.map(movement => movement.order_id)),
    uuids(movements.map(movement => movement.event_id)),
    texts(movements.map(movement => movement.kind)),
    bigints(movements.map(movement => movement.delta)),
    texts(movements.map(movement => movement.reason_code)),
    texts(movements.map(movement => movement.reason)),
  ])
  if (written !== movements.length)
    throw new Error(`wrote ${written} of ${movements.length} stock movements: a menu item does not exist`)
}

const moveSql = `
  with line as (
    select *
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::bigint[], $8::text[],
      $9::text[])
      as line (movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta, reason_code, reason)
  ), total as (
    select menu_item_id, restaurant_id, sum(delta)::bigint as delta
    from line
    group by menu_item_id, restaurant_id
  ), moved as (
    update menu_items
    set available_qty = menu_items.available_qty + total.delta, updated_at = ${itemChangedAt}
    from total
    where menu_items.menu_item_id = any(array(select menu_item_id from total))
      and menu_items.menu_item_id = total.menu_item_id
      and menu_items.restaurant_id = total.restaurant_id
    returning menu_items.menu_item_id
  )
  insert into stock_movements (movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta, reason_code,
    reason)
  select movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta, reason_code, reason
  from line
  where menu_item_id in (select menu_item_id from moved)
`
