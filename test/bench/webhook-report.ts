import { Latencies } from '../../scripts/support/latencies.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import type { WebhookResult } from './measure-webhooks.ts'
import type { WebhookReceiver } from './webhook-receiver.ts'

/** Lags of the good ones, from the commit of an event to its arrival, while something goes on around them. */
export interface Lags {
  while: string
  deliveries: number
  p50Ms: number
  p99Ms: number
  maxMs: number
}

/** What an event is counted under: when it was committed, unless it was the kill that held it up. */
const phases = [
  '3 are slow, 2 fail, 1 is gone',
  '3 are slow, 2 catch up, 1 is gone',
  'worker and dispatcher are killed, and afterwards',
] as const

export function lagsOf({ receivers, events, mendedAt, killedAt }: WebhookResult): Lags[] {
  const latencies = phases.map(() => new Latencies())
  for (const { arrivals } of receivers.filter(({ behaviour }) => behaviour === 'good')) {
    for (const { event_id, at } of events) {
      const arrivedAt = arrivals.get(event_id)
      if (arrivedAt === undefined) continue
      const phase = at < mendedAt ? 0 : arrivedAt < killedAt ? 1 : 2
      latencies[phase]?.record(arrivedAt - at)
    }
  }
  return latencies.map((its, phase) => ({
    while: phases[phase] ?? '',
    deliveries: its.count,
    p50Ms: its.percentile(50),
    p99Ms: its.percentile(99),
    maxMs: its.percentile(100),
  }))
}

export function reportText(result: WebhookResult): string {
  const { receivers, events, states, loadMs, wholeMs, longestPauseMs } = result
  const lags = plainTable(
    ['left', 'right', 'right', 'right', 'right'],
    ['lag of the good ones, from commit', 'deliveries', 'p50 ms', 'p99 ms', 'max ms'],
    lagsOf(result).map(({ while: phase, deliveries, p50Ms, p99Ms, maxMs }) => [
      phase,
      deliveries.toLocaleString('en'),
      ...[p50Ms, p99Ms, maxMs].map(ms => Math.round(ms).toLocaleString('en')),
    ]),
  )
  const byBehaviour = Map.groupBy(receivers, ({ behaviour }) => behaviour)
  const sum = (those: readonly WebhookReceiver[], of: (receiver: WebhookReceiver) => number) =>
    those.reduce((total, each) => total + of(each), 0).toLocaleString('en')
  const came = plainTable(
    ['left', 'right', 'right', 'right', 'right', 'left'],
    ['receivers', '', 'came', 'came again', 'refused', 'deliveries'],
    [...byBehaviour].map(([behaviour, its]) => [
      behaviour,
      String(its.length),
      sum(its, ({ arrivals }) => arrivals.size),
      sum(its, ({ repeated }) => repeated),
      sum(its, ({ refused }) => refused),
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
    came,
    '',
    `${events.length.toLocaleString('en')} events; the good ones had them all after ${seconds(loadMs)} s, everybody after ${seconds(wholeMs)} s`,
    `the longest pause of this process itself: ${Math.round(longestPauseMs)} ms`,
  ].join('\n')
}
