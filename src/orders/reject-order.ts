import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/catalogue.ts'
import { claimEvents } from '../jobs/inbox.ts'
import type { Handled } from '../outbox/consume-events.ts'
import { applyTransitions } from './apply-transitions.ts'
import { lockOrders } from './lock-orders.ts'
import { OUT_OF_STOCK } from './order.ts'

/** Stock was short: PLACED → CANCELLED, with the short items named. A client's cancellation that came first stays. */
export async function rejectOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.failed.v1'>[],
): Promise<Handled> {
  const [orders, fresh] = await Promise.all([lockOrders(tx, events), claimEvents(tx, 'order.reject', events)])
  return applyTransitions(tx, orders, events, fresh, event => ({
    to: 'CANCELLED',
    actor: 'system',
    reason: OUT_OF_STOCK,
    shortages: event.payload.shortages,
  }))
}
