import type { Tx } from '../db/transaction.ts'
import { type ChangeStatus, changeStatus } from './change-status.ts'

/**
 * Cancels an order: the same path as a change of status to CANCELLED. Its stock, if any was deducted, comes back on
 * the slow path. Cancelled twice, it is cancelled once.
 * @throws NotFound, StaleVersion, IllegalTransition when it has been delivered
 */
export async function cancelOrder(tx: Tx, request: Omit<ChangeStatus, 'to'>): Promise<boolean> {
  return await changeStatus(tx, { ...request, to: 'CANCELLED' })
}
