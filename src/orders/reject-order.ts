import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import type { Handled } from '../outbox/event-handler.ts'
import { applyTransitions } from './apply-transitions.ts'
import { lockAndClaim } from './lock-and-claim.ts'
import { type OrderState, OUT_OF_STOCK } from './order.ts'

/**
 * Handles insufficient stock: PLACED → CANCELLED with the reason OUT_OF_STOCK and the missing
 * items. An order that a client cancelled first keeps the reason of the client.
 */
export async function rejectOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.failed.v1'>[],
  locked?: ReadonlyMap<string, OrderState>,
): Promise<Handled> {
  const { orders, claimed } = await lockAndClaim(tx, 'order.reject', events, locked)
  return applyTransitions(tx, orders, events, claimed, event => ({
    to: 'CANCELLED',
    actor: 'system',
    reason: OUT_OF_STOCK,
    shortages: event.payload.shortages,
  }))
}
