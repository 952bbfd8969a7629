import type { NewEvent } from '../events/read-new-events.ts'
import { meter } from '../platform/meters.ts'

const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

const sent = meter.createCounter('comanda.streams.sent.events', {
  description: 'Events sent to clients of event streams, counted per client',
})
const lag = meter.createHistogram('comanda.streams.lag.seconds', {
  description: 'Time from writing an event to reading it for event streams',
  unit: 's',
  advice: { explicitBucketBoundaries: BUCKETS_SECONDS },
})
const failures = meter.createCounter('comanda.streams.read.failures', {
  description: 'Failed reads of new events for event streams',
})

export function countSent(events: number): void {
  if (events > 0) sent.add(events)
}

export function recordLag(events: readonly NewEvent[]): void {
  for (const { age_ms } of events) lag.record(age_ms / 1_000)
}

export function countReadFailure(): void {
  failures.add(1)
}
