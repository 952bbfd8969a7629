import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import { claimEvents } from '../jobs/inbox.ts'
import type { Handled } from '../outbox/consume-events.ts'
import { applyTransitions } from './apply-transitions.ts'
import { lockOrders } from './lock-orders.ts'
import { OUT_OF_STOCK } from './order.ts'

/**
 * Handles insufficient stock: PLACED → CANCELLED with the reason OUT_OF_STOCK and the missing
 * items. An order that a client cancelled first keeps the reason of the client.
 */
export async function rejectOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.failed.v1'>[],
): Promise<Handled> {
  const [orders, claimed] = await Promise.all([
    lockOrders(tx, events),
    claimEvents(tx, 'order.reject', events),
  ])
  return applyTransitions(tx, orders, events, claimed, event => ({
    to: 'CANCELLED',
    actor: 'system',
    reason: OUT_OF_STOCK,
    shortages: event.payload.shortages,
  }))
}
