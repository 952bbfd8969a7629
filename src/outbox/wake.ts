import type { Database } from '../db/database.ts'
import type { Logger } from '../platform/log.ts'
import { OUTBOX_CHANNEL } from './dispatcher.ts'

/** Tells a dispatcher that events have been committed. Costs the caller nothing and never fails it. */
export type WakeDispatcher = () => void

/**
 * Wakes the dispatchers of other processes by NOTIFY, outside of every order's transaction (inside, it would
 * serialise their commits) and coalesced: while one is under way, any number of calls make one more.
 */
export function wakeByNotify(database: Database, log: Logger): WakeDispatcher {
  let underWay = false
  let again = false

  async function send(): Promise<void> {
    underWay = true
    do {
      again = false
      try {
        await database.execute(`notify ${OUTBOX_CHANNEL}`)
      } catch (error) {
        log.debug({ error: String(error) }, 'wake-up not sent; the dispatcher polls')
      }
    } while (again)
    underWay = false
  }

  return () => {
    if (underWay) again = true
    else void send()
  }
}
