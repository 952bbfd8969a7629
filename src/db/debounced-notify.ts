import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../platform/log.ts'
import type { Sql } from './transaction.ts'

/**
 * Sends a NOTIFY on `channel` at each call, outside of every transaction and coalesced: the first goes out at once, and
 * any number of calls while one is under way, or less than `restMs` ago, make one more. Costs the caller nothing and never
 * fails it: whoever listens polls as well.
 */
export function debouncedNotify(sql: Sql, channel: string, restMs: number, log: Logger): () => void {
  let underWay = false
  let again = false

  async function send(): Promise<void> {
    underWay = true
    do {
      again = false
      try {
        await sql.execute(`notify ${channel}`)
      } catch (error) {
        log.debug({ channel, error: String(error) }, 'wake-up not sent; who listens polls')
      }
      if (restMs > 0) await delay(restMs, undefined, { ref: false })
    } while (again)
    underWay = false
  }

  return () => {
    if (underWay) again = true
    else void send()
  }
}
