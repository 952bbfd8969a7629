import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import type { Handled } from '../outbox/event-handler.ts'
import { applyTransitions } from './apply-transitions.ts'
import { lockAndClaim } from './lock-and-claim.ts'
import type { OrderState } from './order.ts'

/**
 * Handles deducted stock: PLACED → PREPARING. An order that a client cancelled first stays
 * CANCELLED.
 */
export async function prepareOrders(
  tx: Tx,
  events: EventOf<'inventory.deducted.success.v1'>[],
  locked?: ReadonlyMap<string, OrderState>,
): Promise<Handled> {
  const { orders, claimed } = await lockAndClaim(tx, 'order.prepare', events, locked)
  return applyTransitions(tx, orders, events, claimed, () => ({ to: 'PREPARING', actor: 'system' }))
}
