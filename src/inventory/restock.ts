import type { Tx } from '../db/transaction.ts'
import { ValidationFailed } from '../platform/errors.ts'
import type { Precondition } from '../platform/precondition.ts'
import type { StoredMenuItem } from './inventory-entities.ts'
import { lockStock } from './lock-stock.ts'
import { moveStock } from './move-stock.ts'
import { MAX_STOCK } from './stock.ts'
import { menuItemTagOf, readMenuItem } from './stock-queries.ts'

export interface Restock {
  menu_item_id: string
  /** units to add, at least 1 */
  quantity: number
  reason: string
  precondition?: Precondition | undefined
}

/**
 * Adds units to the stock of an item, with a RESTOCK row in the ledger.
 * @throws NotFound; the errors of the precondition; ValidationFailed when stock would exceed
 *   {@link MAX_STOCK}
 */
export async function restock(
  tx: Tx,
  { menu_item_id, quantity, reason, precondition }: Restock,
): Promise<StoredMenuItem> {
  const { restaurant_id } = await readMenuItem(tx, menu_item_id)
  const onHand =
    (await lockStock(tx, [{ menu_item_id, restaurant_id }])).get(menu_item_id)?.available_qty ?? 0
  if (precondition) precondition('menu item', menuItemTagOf(await readMenuItem(tx, menu_item_id)))
  if (onHand + quantity > MAX_STOCK) {
    const capacity = MAX_STOCK - onHand
    const limit = capacity > 0 ? `must not be more than ${capacity}` : 'cannot be added'
    const detail = `${limit}: ${onHand} are in stock, and the maximum is ${MAX_STOCK}`
    throw new ValidationFailed([{ pointer: '/quantity', detail }])
  }
  moveStock(tx, [
    { restaurant_id, menu_item_id, order_id: null, event_id: null, kind: 'RESTOCK', delta: quantity, reason },
  ])
  return await readMenuItem(tx, menu_item_id)
}
