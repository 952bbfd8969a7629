import type { Tx } from '../db/transaction.ts'
import { type EventOf, follow } from '../events/event.ts'
import { lockAndClaim } from '../orders/lock-and-claim.ts'
import type { Handled } from '../outbox/event-handler.ts'
import { changedAtZero } from './changed-at-zero.ts'
import { lockStock } from './lock-stock.ts'
import { moveStock } from './move-stock.ts'

interface Deducted {
  order_id: string
  restaurant_id: string
  menu_item_id: string
  quantity: number
}

/**
 * Restores the stock of cancelled orders: for each DEDUCT in the ledger that has no RESTORE yet. An
 * order that was cancelled before its stock was deducted has none, and nothing changes. An item
 * that was sold out gets one `inventory.item.changed.v1`.
 */
export async function restoreStock(tx: Tx, events: EventOf<'order.cancelled.v1'>[]): Promise<Handled> {
  const { claimed } = await lockAndClaim(tx, 'inventory.restore', events)
  const due = events.filter(event => claimed.has(event.event_id))
  const deducted = await tx.query<Deducted>(deductedSql, [
    due.map(event => event.order_id),
    due.map(event => event.restaurant_id),
  ])
  const onHand = await lockStock(tx, deducted)
  const eventOfOrder = new Map(due.map(event => [event.order_id, event]))
  const movements = deducted.map(({ order_id, restaurant_id, menu_item_id, quantity }) => ({
    restaurant_id,
    menu_item_id,
    order_id,
    event_id: eventOfOrder.get(order_id)?.event_id ?? null,
    kind: 'RESTORE' as const,
    delta: quantity,
  }))
  moveStock(tx, movements)
  // Events about an item follow the first order of the batch that restored it.
  const firstOf = (id: string) => deducted.find(({ menu_item_id }) => menu_item_id === id)?.order_id ?? ''
  const changed = await changedAtZero(tx, onHand, movements, id => follow(eventOfOrder.get(firstOf(id))))

  const restored = new Set(deducted.map(({ order_id }) => order_id))
  const outcomes = new Map(
    events.map(({ event_id, order_id }) => {
      if (!claimed.has(event_id)) return [event_id, 'already processed']
      return [event_id, restored.has(order_id) ? 'stock restored' : 'nothing to restore']
    }),
  )
  return { outcomes, events: changed }
}

const deductedSql = `
  select order_id, restaurant_id, menu_item_id, -delta as quantity
  from stock_movements as deducted
  where order_id = any($1::uuid[])
    and restaurant_id = any($2::uuid[])
    and kind = 'DEDUCT'
    and not exists (
      select 1
      from stock_movements as restored
      where restored.order_id = deducted.order_id
        and restored.restaurant_id = deducted.restaurant_id
        and restored.menu_item_id = deducted.menu_item_id
        and restored.kind = 'RESTORE'
    )
`
