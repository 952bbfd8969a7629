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

export function recordLimit(streams: number): void {
  limit.record(streams)
  // Exports the open streams from the start, for comparison with the limit.
  open.add(0)
}

export function countOpen(more: 1 | -1): void {
  open.add(more)
}

export function countDropped(reason: 'slow' | 'unauthorised'): void {
  dropped.add(1, { reason })
}
