import { untilTrue } from '../support/until.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'

/** Waits until the order is no longer PLACED. @returns whether that happened within `timeoutMs` */
export async function untilPrepared(
  postgres: DatabaseUnderTest,
  { order_id }: { order_id: string | undefined },
  timeoutMs: number,
): Promise<boolean> {
  return await untilTrue(timeoutMs, async () => {
    const rows = await postgres.query(`select 1 from orders where order_id = $1 and status <> 'PLACED'`, [
      order_id,
    ])
    return rows.length === 1
  })
}
