import { setTimeout as delay } from 'node:timers/promises'
import type { Postgres } from './postgres.ts'

/** @returns whether the order has left PLACED in time */
export async function untilPrepared(
  postgres: Postgres,
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

const POLL_MS = 100

/** @returns whether it came true in time */
export async function untilTrue(timeoutMs: number, look: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    if (await look().catch(() => false)) return true
    if (Date.now() > deadline) return false
    await delay(POLL_MS)
  }
}
