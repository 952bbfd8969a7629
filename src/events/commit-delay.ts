import { TRANSACTION_TIMEOUT_MS } from '../db/session-settings.ts'

/**
 * The greatest age of an event's id when the event is committed: the longest transaction, plus a
 * minute for the time between the id and the transaction, and for differences between clocks.
 */
export const MAX_COMMIT_DELAY_MS = TRANSACTION_TIMEOUT_MS + 60_000
