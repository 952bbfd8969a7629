import { meter } from '../../platform/meters.ts'

const open = meter.createUpDownCounter('comanda.streams.open', {
  description: 'Open event streams',
})
const limit = meter.createGauge('comanda.streams.max.open', {
  description: 'Maximum number of open event streams of this process',
})
const dropped = meter.createCounter('comanda.streams.dropped', {
  description: 'Event streams closed because the client did not read or lost access',
})

/** Whose streams: those of API callers, or those of customers on tracking pages. */
export type StreamAudience = 'callers' | 'customers'

export function recordLimit(audience: StreamAudience, streams: number): void {
  limit.record(streams, { audience })
  // Exports the open streams from the start, for comparison with the limit.
  open.add(0, { audience })
}

export function countOpen(audience: StreamAudience, more: 1 | -1): void {
  open.add(more, { audience })
}

export function countDropped(audience: StreamAudience, reason: 'slow' | 'unauthorised'): void {
  dropped.add(1, { audience, reason })
}
