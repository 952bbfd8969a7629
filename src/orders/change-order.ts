import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { appendEvents } from '../outbox/append-event.ts'
import { etagOf, type Precondition } from '../platform/precondition.ts'
import { lockOrder } from './lock-orders.ts'
import type { OrderState, Transition } from './order.ts'
import { saveTransitions } from './save-transitions.ts'

export interface ChangeOrder {
  order_id: string
  precondition?: Precondition | undefined
  /** name of the client, if it is known */
  by?: string | null
  trace: TraceContext
}

/**
 * Changes an order on behalf of a client: locks the order, decides, writes the transition and
 * appends its event, in one transaction.
 * @param decide returns the transition, or null when nothing changes: then there is no event
 * @returns whether the order changed
 * @throws NotFound, and the errors of the precondition and of `decide`
 */
export async function changeOrder(
  tx: Tx,
  { order_id, precondition, by = null, trace }: ChangeOrder,
  decide: (order: OrderState) => Transition | null,
): Promise<boolean> {
  const order = await lockOrder(tx, order_id)
  precondition?.('order', etagOf(order.version))
  const transition = decide(order)
  if (!transition) return false
  appendEvents(tx, saveTransitions(tx, [{ transition, by, trace }]))
  return true
}
