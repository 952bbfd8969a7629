import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { appendEvents } from '../outbox/append-event.ts'
import { NotFound, StockShort, ValidationFailed } from '../platform/errors.ts'
import type { Precondition } from '../platform/precondition.ts'
import { stockChanged } from './changed-events.ts'
import type { StoredMenuItem } from './inventory-entities.ts'
import { lockStock } from './lock-stock.ts'
import { moveStock } from './move-stock.ts'
import { reportLowStock } from './report-low-stock.ts'
import { MAX_STOCK, type ReasonCode } from './stock.ts'
import { menuItemTagOf, readMenuItem } from './stock-queries.ts'

interface StockChange {
  menu_item_id: string
  /** units to add; negative: units to remove, by an adjustment only */
  quantity: number
  reason?: string | undefined
  precondition?: Precondition | undefined
  trace: TraceContext
}

export interface Restock extends StockChange {
  kind: 'RESTOCK'
  reason: string
}

export interface Adjustment extends StockChange {
  kind: 'ADJUST'
  reason_code: ReasonCode
}

/**
 * Changes the stock of an item on behalf of a client, with a row in the ledger. Appends
 * `inventory.item.changed.v1`, and the low-stock event if the change made the stock low.
 * @throws NotFound; the errors of the precondition; StockShort when stock would become negative;
 *   ValidationFailed when stock would rise beyond {@link MAX_STOCK}
 */
export async function changeStock(tx: Tx, change: Restock | Adjustment): Promise<StoredMenuItem> {
  const { menu_item_id, kind, quantity, reason, precondition, trace } = change
  const { restaurant_id } = await readMenuItem(tx, menu_item_id)
  const before = (await lockStock(tx, [{ menu_item_id, restaurant_id }])).get(menu_item_id)
  if (!before) throw new NotFound('menu-item', menu_item_id)
  if (precondition) precondition('menu item', menuItemTagOf(await readMenuItem(tx, menu_item_id)))
  assertPossible(before.available_qty, quantity)
  moveStock(tx, [
    {
      restaurant_id,
      menu_item_id,
      order_id: null,
      event_id: null,
      kind,
      delta: quantity,
      reason_code: 'reason_code' in change ? change.reason_code : undefined,
      reason,
    },
  ])
  const after = await readMenuItem(tx, menu_item_id)
  appendEvents(tx, [stockChanged(after, trace)])
  reportLowStock(tx, before, after, trace)
  return after
}

/** Removing is possible above {@link MAX_STOCK} too, where restored orders may have led. */
function assertPossible(onHand: number, quantity: number): void {
  if (onHand + quantity < 0) throw new StockShort(onHand, quantity)
  if (quantity < 0 || onHand + quantity <= MAX_STOCK) return
  const capacity = MAX_STOCK - onHand
  const limit = capacity > 0 ? `must not be more than ${capacity}` : 'cannot be added'
  const detail = `${limit}: ${onHand} are in stock, and the maximum is ${MAX_STOCK}`
  throw new ValidationFailed([{ pointer: '/quantity', detail }])
}
