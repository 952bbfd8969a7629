import type { Config } from './config.ts'

/** Minutes that rows are kept, by table. Jobs are deleted by pg-boss. */
export interface Retention {
  outbox_events: number
  processed_events: number
  webhook_deliveries: number
  idempotency_keys: number
}

/**
 * How far a redrive may reach back, as a share of the retention of `processed_events`: the record
 * that prevents a second effect is kept for half as long again, in which the new job runs.
 */
export const REDRIVE_SHARE = 2 / 3

/**
 * Returns the retention periods. Deliveries are kept as long as the events that they deliver.
 */
export function retentionOf(config: Config): Retention {
  const { OUTBOX_RETENTION_MINUTES, PROCESSED_RETENTION_MINUTES, IDEMPOTENCY_RETENTION_MINUTES } = config
  return {
    outbox_events: OUTBOX_RETENTION_MINUTES,
    processed_events: PROCESSED_RETENTION_MINUTES,
    webhook_deliveries: OUTBOX_RETENTION_MINUTES,
    idempotency_keys: IDEMPOTENCY_RETENTION_MINUTES,
  }
}
