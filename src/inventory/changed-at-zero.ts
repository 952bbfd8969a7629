import type { Tx } from '../db/transaction.ts'
import type { EventOf, TraceContext } from '../events/event.ts'
import { stockChanged } from './changed-events.ts'
import type { StockMovement } from './move-stock.ts'
import { type OnHand, zeroCrossings } from './stock.ts'
import { readMenuItems } from './stock-queries.ts'

/**
 * Returns an `inventory.item.changed.v1` for each item whose stock reached or left zero through
 * movements, which this transaction has sent. Costs a round trip only if there is such an item.
 * @param before the stock of the items before the movements
 */
export async function changedAtZero(
  tx: Tx,
  before: ReadonlyMap<string, OnHand>,
  movements: readonly StockMovement[],
  traceOf: (menuItemId: string) => TraceContext,
): Promise<EventOf<'inventory.item.changed.v1'>[]> {
  const crossed = zeroCrossings(before, movements)
  if (crossed.length === 0) return []
  const items = await readMenuItems(tx, crossed)
  return items.map(item => stockChanged(item, traceOf(item.menu_item_id)))
}
