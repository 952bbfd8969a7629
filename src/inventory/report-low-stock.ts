import type { Tx } from '../db/transaction.ts'
import { newEvent, type TraceContext } from '../events/event.ts'
import { appendEvents } from '../outbox/append-event.ts'
import type { StoredMenuItem } from './inventory-entities.ts'
import { becomesLow, type StockLevel } from './stock.ts'

/**
 * Appends `inventory.low_stock.v1` if a change by a client made the stock of an item low. A worker
 * that deducts a batch of orders publishes the event itself.
 * @param before the item before the change; null: it did not exist
 */
export function reportLowStock(
  tx: Tx,
  before: StockLevel | null,
  item: StoredMenuItem,
  trace: TraceContext,
): void {
  const { restaurant_id, menu_item_id, name, available_qty, low_stock_threshold, low_since } = item
  if (low_stock_threshold === null || low_since === null || !becomesLow(before, item)) return
  const at = low_since.toISOString()
  const payload = { restaurant_id, menu_item_id, name, available_qty, low_stock_threshold, at }
  appendEvents(tx, [newEvent('inventory.low_stock.v1', payload, trace)])
}
