/**
 * How long things are kept. A redrive or replay may reach back {@link MAX_REPLAY_DAYS}; what makes a second effect
 * impossible is kept longer than that, and dead letters are kept for ever.
 */

/** Dispatched outbox events, and with them what `ops.order_timeline` can show. */
export const OUTBOX_RETENTION_DAYS = 30
/** Settled deliveries to webhooks, with their attempts, and webhooks that were deleted. */
export const DELIVERY_RETENTION_DAYS = 30
/** How far back a redrive may reach. */
export const MAX_REPLAY_DAYS = 30
/** The record of what each consumer has processed: longer than any replay reaches back. */
export const PROCESSED_RETENTION_DAYS = 45
/** How long an `Idempotency-Key` names its request. */
export const IDEMPOTENCY_RETENTION_DAYS = 1
