import { meter } from '../../platform/meters.ts'

const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]
const LAG_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400]

const attempts = meter.createCounter('comanda.webhook.attempts', {
  description: 'Attempts to deliver an event to a webhook, by outcome',
})
const duration = meter.createHistogram('comanda.webhook.attempt.duration.seconds', {
  description: 'Time from the start of a request to the end of the response',
  unit: 's',
  advice: { explicitBucketBoundaries: BUCKETS_SECONDS },
})
const lag = meter.createHistogram('comanda.webhook.lag.seconds', {
  description: 'Time from an event to its delivery to a webhook',
  unit: 's',
  advice: { explicitBucketBoundaries: LAG_BUCKETS_SECONDS },
})

export function countAttempt(outcome: 'delivered' | 'retry' | 'dead' | 'discarded', seconds: number): void {
  attempts.add(1, { outcome })
  duration.record(seconds, { outcome })
}

export function recordLag(seconds: number): void {
  lag.record(seconds)
}
