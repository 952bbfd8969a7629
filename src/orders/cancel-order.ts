import type { Tx } from '../db/transaction.ts'
import { type ChangeStatus, changeStatus } from './change-status.ts'

/**
 * Cancels an order: a status change to CANCELLED. Deducted stock is restored asynchronously.
 * Idempotent: an order that is already CANCELLED stays unchanged.
 * @returns whether the order changed
 * @throws NotFound; IllegalTransition when the order is DELIVERED; the errors of the precondition
 */
export async function cancelOrder(tx: Tx, request: Omit<ChangeStatus, 'to'>): Promise<boolean> {
  return await changeStatus(tx, { ...request, to: 'CANCELLED' })
}
