import type { Database } from '../db/database.ts'
import { debouncedNotify } from '../db/debounced-notify.ts'
import type { Logger } from '../platform/log.ts'

/** NOTIFY channel on which a dispatcher is told that events were committed. */
export const OUTBOX_CHANNEL = 'comanda_outbox'
/** NOTIFY channel on which whoever follows events is told that some have come. */
export const EVENTS_CHANNEL = 'comanda_events'

/** A process tells of its events at most this often; sooner, nobody would look. */
const ANNOUNCE_REST_MS = 50

/** Tells a dispatcher that events have been committed. Costs the caller nothing and never fails it. */
export type WakeDispatcher = () => void

/**
 * Wakes the dispatchers of other processes by NOTIFY, outside of every order's transaction (inside, it would
 * serialise their commits) and coalesced: while one is under way, any number of calls make one more.
 */
export function wakeByNotify(database: Database, log: Logger): WakeDispatcher {
  return debouncedNotify(database, OUTBOX_CHANNEL, 0, log)
}

/** Tells those who follow events that there are some, in the same way and at most every 50 ms. */
export function announceByNotify(database: Database, log: Logger): () => void {
  return debouncedNotify(database, EVENTS_CHANNEL, ANNOUNCE_REST_MS, log)
}
