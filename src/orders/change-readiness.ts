import type { Tx } from '../db/transaction.ts'
import { type ChangeOrder, changeOrder } from './change-order.ts'
import { decideReadiness } from './order.ts'

export interface ChangeReadiness extends ChangeOrder {
  isReady: boolean
}

/**
 * Makes an order that is PREPARING ready, or takes that back. Idempotent: an order that is ready,
 * or not, already stays unchanged and gets no second event.
 * @returns whether the order changed
 * @throws NotFound, OrderNotPreparing, TooManyFacts, and the errors of the precondition
 */
export async function changeReadiness(tx: Tx, request: ChangeReadiness): Promise<boolean> {
  return await changeOrder(tx, request, order => decideReadiness(order, request.isReady))
}
