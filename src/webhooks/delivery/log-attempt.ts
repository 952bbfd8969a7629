import { traceFields } from '../../events/trace-events.ts'
import { countFailure } from '../../jobs/job-metrics.ts'
import { DELIVERY_QUEUE } from '../../jobs/queues.ts'
import { nowMs } from '../../platform/clock.ts'
import { timeOfId } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'
import { countAttempt, recordLag } from './delivery-metrics.ts'
import type { Held } from './in-flight-deliveries.ts'
import type { Verdict } from './record-outcomes.ts'
import type { Sent } from './send.ts'

/** Tells log and metrics what came of an attempt. */
export function logAttempt(
  { job, delivery }: Held,
  { status, duration_ms: ms, error }: Sent,
  { state }: Verdict,
  log: Logger,
): void {
  const { delivery_id, webhook_id, event_id, type, order_id, trace_context } = delivery
  const ids = { delivery_id, webhook_id, event_id, order_id, job_id: job.id }
  const fields = { ...ids, ...traceFields(trace_context ?? {}), status, ms, error }
  if (state === 'DELIVERED') {
    countAttempt('delivered', ms / 1_000)
    recordLag((nowMs() - timeOfId(event_id).getTime()) / 1_000)
    log.info(fields, `${type}: delivered`)
  } else {
    countAttempt(state === 'RETRY' ? 'retry' : state === 'DEAD' ? 'dead' : 'discarded', ms / 1_000)
    if (state !== 'DISCARDED') countFailure(DELIVERY_QUEUE)
    log.warn({ ...fields, retry_count: job.retryCount }, `${type}: not delivered`)
  }
}
