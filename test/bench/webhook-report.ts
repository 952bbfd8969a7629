import { Latencies } from '../../scripts/support/latencies.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import type { WebhookResult } from './measure-webhooks.ts'
import type { VerifyingReceiver } from './verifying-receiver.ts'

/**
 * Time from the commit of an event to its arrival at the good receivers, in one phase of the run.
 */
export interface Lags {
  while: string
  deliveries: number
  p50Ms: number
  p99Ms: number
  maxMs: number
}

/**
 * An event belongs to the phase of its commit, or to the last phase if it arrived after the kill.
 */
const phases = [
  '3 are slow, 2 fail, 1 is gone',
  '3 are slow, 2 catch up, 1 is gone',
  'after the kill of worker and dispatcher',
] as const

export function lagsOf({ receivers, events, fixedAt, killedAt }: WebhookResult): Lags[] {
  const latencies = phases.map(() => new Latencies())
  for (const { arrivals } of receivers.filter(({ behaviour }) => behaviour === 'good')) {
    for (const { event_id, at } of events) {
      const arrivedAt = arrivals.get(event_id)
      if (arrivedAt === undefined) continue
      const phase = at < fixedAt ? 0 : arrivedAt < killedAt ? 1 : 2
      latencies[phase]?.record(arrivedAt - at)
    }
  }
  return latencies.map((latency, phase) => ({
    while: phases[phase] ?? '',
    deliveries: latency.count,
    p50Ms: latency.percentile(50),
    p99Ms: latency.percentile(99),
    maxMs: latency.percentile(100),
  }))
}

export function reportText(result: WebhookResult): string {
  const { receivers, events, states, loadMs, wholeMs, longestPauseMs } = result
  const lags = plainTable(
    ['left', 'right', 'right', 'right', 'right'],
    ['lag of the good receivers', 'deliveries', 'p50 ms', 'p99 ms', 'max ms'],
    lagsOf(result).map(({ while: phase, deliveries, p50Ms, p99Ms, maxMs }) => [
      phase,
      deliveries.toLocaleString('en'),
      ...[p50Ms, p99Ms, maxMs].map(ms => Math.round(ms).toLocaleString('en')),
    ]),
  )
  const byBehaviour = Map.groupBy(receivers, ({ behaviour }) => behaviour)
  const sum = (some: readonly VerifyingReceiver[], of: (receiver: VerifyingReceiver) => number) =>
    some.reduce((total, each) => total + of(each), 0).toLocaleString('en')
  const counts = plainTable(
    ['left', 'right', 'right', 'right', 'right', 'left'],
    ['receivers', '', 'received', 'repeated', 'refused', 'deliveries'],
    [...byBehaviour].map(([behaviour, some]) => [
      behaviour,
      String(some.length),
      sum(some, ({ arrivals }) => arrivals.size),
      sum(some, ({ repeated }) => repeated),
      sum(some, ({ refused }) => refused),
      states
        .filter(each => each.behaviour === behaviour)
        .map(({ state, count }) => `${count.toLocaleString('en')} ${state}`)
        .join(', '),
    ]),
  )
  const seconds = (ms: number) => (ms / 1_000).toFixed(1)
  return [
    lags,
    '',
    counts,
    '',
    `${events.length.toLocaleString('en')} events; the good receivers had all of them after ${seconds(loadMs)} s, all receivers after ${seconds(wholeMs)} s`,
    `longest pause of this process: ${Math.round(longestPauseMs)} ms`,
  ].join('\n')
}
