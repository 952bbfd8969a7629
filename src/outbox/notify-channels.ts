import type { Database } from '../db/database.ts'
import { debouncedNotify } from '../db/debounced-notify.ts'
import type { Logger } from '../platform/log.ts'

/** NOTIFY channel that wakes dispatchers when events were committed. */
export const OUTBOX_CHANNEL = 'comanda_outbox'
/** NOTIFY channel that wakes event tailers when events were committed. */
export const EVENTS_CHANNEL = 'comanda_events'

/** Shortest interval between two notifications of a process. Tailers read no more often. */
const ANNOUNCE_INTERVAL_MS = 50

/** Wakes a dispatcher after a commit. Does not wait and never throws. */
export type WakeDispatcher = () => void

/**
 * Wakes the dispatchers of other processes by NOTIFY. It runs outside the transactions of orders,
 * because inside it would serialise their commits. Calls during a NOTIFY are coalesced into one.
 */
export function wakeByNotify(database: Database, log: Logger): WakeDispatcher {
  return debouncedNotify(database, OUTBOX_CHANNEL, 0, log)
}

/** Wakes event tailers in the same way, at most every 50 ms. */
export function announceByNotify(database: Database, log: Logger): () => void {
  return debouncedNotify(database, EVENTS_CHANNEL, ANNOUNCE_INTERVAL_MS, log)
}
