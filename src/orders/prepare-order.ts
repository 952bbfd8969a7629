import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import { claimEvents } from '../jobs/inbox.ts'
import type { Handled } from '../outbox/consume-events.ts'
import { applyTransitions } from './apply-transitions.ts'
import { lockOrders } from './lock-orders.ts'

/**
 * Handles deducted stock: PLACED → PREPARING. An order that a client cancelled first stays
 * CANCELLED.
 */
export async function prepareOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.success.v1'>[],
): Promise<Handled> {
  const [orders, claimed] = await Promise.all([
    lockOrders(tx, events),
    claimEvents(tx, 'order.prepare', events),
  ])
  return applyTransitions(tx, orders, events, claimed, () => ({ to: 'PREPARING', actor: 'system' }))
}
