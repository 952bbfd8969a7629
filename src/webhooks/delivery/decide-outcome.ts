import { deliveryQueue } from '../../jobs/queues.ts'
import { TEST_EVENT } from '../deliveries.ts'
import { secondsUntilRetry } from './backoff.ts'
import type { Held } from './in-flight-deliveries.ts'
import type { Verdict } from './record-outcomes.ts'
import { failureOf, type Sent } from './send.ts'

const GONE_STATUS = 410

/**
 * What becomes of a delivery that was sent. Pure.
 * @param retrySeconds waits after each failed attempt
 * @param chance 0..1, by which waits are spread
 */
export function decideOutcome(
  { job, delivery }: Held,
  sent: Sent,
  retrySeconds: readonly number[],
  chance: number,
): Verdict {
  const failure = failureOf(sent)
  if (failure === undefined) return { state: 'DELIVERED' }
  if (sent.status === GONE_STATUS)
    return { state: 'DISCARDED', reason: 'the receiver answered 410: it is gone', isGone: true }
  const isOnce = delivery.type === TEST_EVENT || delivery.webhook_status !== 'ACTIVE'
  if (isOnce) return { state: 'DISCARDED', reason: `sent once: ${failure}` }
  if (job.retryCount >= deliveryQueue.retryLimit) return { state: 'DEAD' }
  return { state: 'RETRY', afterSeconds: secondsUntilRetry(retrySeconds, job.retryCount, chance) }
}
