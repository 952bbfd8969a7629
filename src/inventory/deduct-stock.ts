import type { Tx } from '../db/transaction.ts'
import { type EventOf, follow, newEvent } from '../events/event.ts'
import { lockAndClaim } from '../orders/lock-and-claim.ts'
import { OUT_OF_STOCK } from '../orders/order.ts'
import type { Handled } from '../outbox/event-handler.ts'
import { now } from '../platform/clock.ts'
import { changedAtZero } from './changed-at-zero.ts'
import { lockStock } from './lock-stock.ts'
import { moveStock } from './move-stock.ts'
import { allocate, crossings } from './stock.ts'

/**
 * Deducts the stock of placed orders: all items of an order or none, in the order of the events. An
 * order is deducted at most once: the event must be new in `processed_events`, the locked order
 * must still be PLACED, and the unique index of `stock_movements` refuses a second DEDUCT per order
 * and item. Insufficient stock is an outcome with its own event, not an error. An item whose
 * stock becomes low gets one `inventory.low_stock.v1`, and an item that is sold out one
 * `inventory.item.changed.v1`.
 */
export async function deductStock(tx: Tx, events: EventOf<'order.placed.v1'>[]): Promise<Handled> {
  // The items of an order that is not due are locked too, which saves a round trip.
  const [{ orders, claimed }, onHand] = await Promise.all([
    lockAndClaim(tx, 'inventory.deduct', events),
    lockStock(
      tx,
      events.flatMap(({ restaurant_id, payload }) =>
        payload.items.map(({ menu_item_id }) => ({ restaurant_id, menu_item_id })),
      ),
    ),
  ])
  const outcomes = new Map<string, string>()
  const due = events.filter(({ event_id, order_id }) => {
    const status = orders.get(order_id)?.status
    if (!status) throw new Error(`event ${event_id} names order ${order_id}, which does not exist`)
    const isNew = claimed.has(event_id)
    if (isNew && status === 'PLACED') return true
    outcomes.set(event_id, isNew ? `no stock deducted: the order is ${status}` : 'already processed')
    return false
  })

  const demands = due.map(event => event.payload)
  const allocations = allocate(
    demands,
    new Map(Array.from(onHand, ([id, { available_qty }]) => [id, available_qty])),
  )
  const deducted_at = now().toISOString()

  const movements = []
  const followUps: EventOf[] = []
  for (const [index, event] of due.entries()) {
    const { event_id, order_id, restaurant_id, payload } = event
    const shortages = allocations[index]?.shortages ?? []
    if (shortages.length > 0) {
      outcomes.set(event_id, `out of stock: ${shortages.map(({ name }) => name).join(', ')}`)
      followUps.push(
        newEvent(
          'inventory.deducted.failed.v1',
          { order_id, restaurant_id, reason: OUT_OF_STOCK, shortages },
          follow(event),
        ),
      )
      continue
    }
    outcomes.set(event_id, 'stock deducted')
    const items = payload.items.map(({ menu_item_id, name, quantity }) => ({ menu_item_id, name, quantity }))
    for (const { menu_item_id, quantity } of items) {
      movements.push({
        restaurant_id,
        menu_item_id,
        order_id,
        event_id,
        kind: 'DEDUCT' as const,
        delta: -quantity,
      })
    }
    followUps.push(
      newEvent(
        'inventory.deducted.success.v1',
        { order_id, restaurant_id, items, deducted_at },
        follow(event),
      ),
    )
  }
  moveStock(tx, movements)
  // Events about an item follow the first order of the batch that deducted it.
  const firstOf = (id: string) =>
    due.find(({ payload }) => payload.items.some(item => item.menu_item_id === id))
  for (const low of crossings(onHand, movements)) {
    const event = firstOf(low.menu_item_id)
    if (!event) continue
    const { restaurant_id } = event
    const payload = { restaurant_id, ...low, at: deducted_at }
    followUps.push(newEvent('inventory.low_stock.v1', payload, follow(event)))
  }
  const changed = await changedAtZero(tx, onHand, movements, id => follow(firstOf(id)))
  return { outcomes, events: [...followUps, ...changed], orders }
}
