import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/catalogue.ts'
import { claimEvents } from '../jobs/inbox.ts'
import type { Handled } from '../outbox/consume-events.ts'
import { applyTransitions } from './apply-transitions.ts'
import { lockOrders } from './lock-orders.ts'

/** Stock has been deducted: PLACED → PREPARING. An order that was cancelled meanwhile stays as it is. */
export async function prepareOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.success.v1'>[],
): Promise<Handled> {
  const [orders, fresh] = await Promise.all([
    lockOrders(tx, events),
    claimEvents(tx, 'order.prepare', events),
  ])
  return applyTransitions(tx, orders, events, fresh, () => ({ to: 'PREPARING', actor: 'system' }))
}
