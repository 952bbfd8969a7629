import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { appendEvents } from '../outbox/append-event.ts'
import { etagOf, type Precondition } from '../platform/precondition.ts'
import { lockOrder } from './lock-orders.ts'
import { decideTransition, type OrderStatus } from './order.ts'
import { saveTransitions } from './save-transitions.ts'

export interface ChangeStatus {
  order_id: string
  to: OrderStatus
  reason?: string | undefined
  precondition?: Precondition | undefined
  trace: TraceContext
}

/**
 * Changes the status of an order on behalf of a client: locks the order, decides, writes the
 * transition and appends its event, in one transaction. Idempotent: an order that has the status
 * already stays unchanged and gets no second event.
 * @returns whether the order changed
 * @throws NotFound, IllegalTransition, InventoryPending, and the errors of the precondition
 */
export async function changeStatus(tx: Tx, request: ChangeStatus): Promise<boolean> {
  const { order_id, to, reason, precondition, trace } = request
  const order = await lockOrder(tx, order_id)
  precondition?.('order', etagOf(order.version))
  const transition = decideTransition(order, { to, actor: 'client', reason })
  if (!transition) return false
  appendEvents(tx, saveTransitions(tx, [{ transition, trace }]))
  return true
}
