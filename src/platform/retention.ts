/**
 * Retention periods. Redrives may go back {@link MAX_REPLAY_DAYS}. The records that prevent a
 * second effect are kept longer than that. Dead letters never expire.
 */

/** Dispatched outbox events, which `ops.order_timeline` shows. */
export const OUTBOX_RETENTION_DAYS = 30
/** Finished webhook deliveries with their attempts, and deleted webhooks. */
export const DELIVERY_RETENTION_DAYS = 30
/** Maximum age of an event that is redriven. */
export const MAX_REPLAY_DAYS = 30
/** `processed_events`, longer than any redrive goes back. */
export const PROCESSED_RETENTION_DAYS = 45
/** Idempotency keys with their stored replies. */
export const IDEMPOTENCY_RETENTION_DAYS = 1
