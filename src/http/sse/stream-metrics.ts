import { meter } from '../../platform/meters.ts'

const open = meter.createUpDownCounter('comanda.streams.open', {
  description: 'Event streams that are open',
})
const most = meter.createGauge('comanda.streams.max.open', {
  description: 'Most event streams that this process keeps open',
})
const dropped = meter.createCounter('comanda.streams.dropped', {
  description: 'Event streams that were ended because their client did not read, or may not read any more',
})

export function recordMost(streams: number): void {
  most.record(streams)
  // There from the beginning, to be compared with it.
  open.add(0)
}

export function countOpen(more: 1 | -1): void {
  open.add(more)
}

export function countDropped(reason: 'slow' | 'unauthorised'): void {
  dropped.add(1, { reason })
}
