import type { Tx } from '../db/transaction.ts'
import { claimEvents } from '../jobs/run-once.ts'
import type { Handled } from '../outbox/consume-events.ts'
import type { EventOf } from '../outbox/events.ts'
import { advanceOrders } from './advance-orders.ts'
import { lockOrders } from './lock-orders.ts'
import { OUT_OF_STOCK } from './order.ts'

/** Stock was short: PLACED → CANCELLED, with the short items named. A client's cancellation that came first stays. */
export async function rejectOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.failed.v1'>[],
): Promise<Handled> {
  const [orders, fresh] = await Promise.all([lockOrders(tx, events), claimEvents(tx, 'order.reject', events)])
  return advanceOrders(tx, orders, events, fresh, event => ({
    to: 'CANCELLED',
    actor: 'system',
    reason: OUT_OF_STOCK,
    shortages: event.payload.shortages,
  }))
}
