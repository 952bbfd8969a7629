import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../platform/log.ts'
import type { Sql } from './transaction.ts'

/**
 * Returns a function that sends NOTIFY on `channel`, outside of every transaction. The first call
 * sends at once. All calls during a send, or less than `restMs` after it, are combined into one
 * more. The function neither waits nor throws: listeners poll as well, so a lost notification only
 * costs time.
 */
export function debouncedNotify(sql: Sql, channel: string, restMs: number, log: Logger): () => void {
  let isSending = false
  let sendAgain = false

  async function send(): Promise<void> {
    isSending = true
    do {
      sendAgain = false
      try {
        await sql.execute(`notify ${channel}`)
      } catch (error) {
        log.debug({ channel, error: String(error) }, 'wake-up not sent; listeners find the change by polling')
      }
      if (restMs > 0) await delay(restMs, undefined, { ref: false })
    } while (sendAgain)
    isSending = false
  }

  return () => {
    if (isSending) sendAgain = true
    else void send()
  }
}
