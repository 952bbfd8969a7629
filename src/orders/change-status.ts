import type { Tx } from '../db/transaction.ts'
import { type ChangeOrder, changeOrder } from './change-order.ts'
import { decideTransition, type OrderStatus } from './order.ts'

export interface ChangeStatus extends ChangeOrder {
  to: OrderStatus
  reason?: string | undefined
}

/**
 * Changes the status of an order on behalf of a client. Idempotent: an order that has the status
 * already stays unchanged and gets no second event.
 * @returns whether the order changed
 * @throws NotFound, IllegalTransition, InventoryPending, and the errors of the precondition
 */
export async function changeStatus(tx: Tx, request: ChangeStatus): Promise<boolean> {
  const { to, reason } = request
  return await changeOrder(tx, request, order => decideTransition(order, { to, actor: 'client', reason }))
}
