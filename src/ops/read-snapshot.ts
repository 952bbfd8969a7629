import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'

/**
 * Reads in one snapshot, so that all parts agree.
 * @param timeoutMs longest time of a statement; by default that of the pool
 * @throws DatabaseUnavailable when a statement takes longer
 */
export async function readSnapshot<T>(
  database: Database,
  read: (tx: Tx) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  return await database.transaction(async tx => {
    await tx.execute('set transaction isolation level repeatable read read only')
    if (timeoutMs !== undefined) await tx.execute(`set local statement_timeout = ${timeoutMs}`)
    return await read(tx)
  })
}
