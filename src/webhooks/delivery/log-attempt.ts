import { traceFields } from '../../events/trace-events.ts'
import { nowMs } from '../../platform/clock.ts'
import { timeOfId } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'
import type { LeasedDelivery } from './claim-deliveries.ts'
import type { Outcome } from './decide-outcome.ts'
import { countAttempt, recordLag } from './delivery-metrics.ts'
import type { Sent } from './send.ts'

const outcomes = { DELIVERED: 'delivered', PENDING: 'retry', DEAD: 'dead', DISCARDED: 'discarded' } as const

/** Logs and counts an attempt and its outcome. */
export function logAttempt(
  delivery: LeasedDelivery,
  { status, duration_ms: ms, error }: Sent,
  { state }: Outcome,
  log: Logger,
): void {
  const { delivery_id, webhook_id, event_id, type, order_id, trace_context, tries } = delivery
  const ids = { delivery_id, webhook_id, event_id, order_id }
  const fields = { ...ids, ...traceFields(trace_context ?? {}), status, ms, error }
  countAttempt(outcomes[state], ms / 1_000)
  if (state === 'DELIVERED') {
    recordLag((nowMs() - timeOfId(event_id).getTime()) / 1_000)
    log.info(fields, `${type}: delivered`)
  } else {
    log.warn({ ...fields, tries }, `${type}: not delivered`)
  }
}
