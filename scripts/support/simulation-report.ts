import { counted } from '../../src/platform/counted.ts'
import { plainTable } from './plain-table.ts'
import { endings, type SimulationStats, timings } from './simulation-stats.ts'

const PERCENTS = [50, 95, 99, 100] as const
const EXAMPLE_LENGTH = 90

/** Returns the current state in one line of about 100 characters. */
export function describeNow(tally: SimulationStats, elapsedMs: number, durationMs: number): string {
  const cancelled = tally.count('CANCELLED by customer') + tally.count('CANCELLED, out of stock')
  const stages = [
    `${tally.count('PLACED')} placed`,
    `${tally.count('PREPARING')} cooking`,
    `${tally.count('OUT_FOR_DELIVERY')} on the road`,
    `${tally.count('DELIVERED')} delivered`,
    `${cancelled} cancelled`,
  ]
  const time = elapsedMs < durationMs ? `${seconds(elapsedMs)} of ${seconds(durationMs)}` : 'closing'
  return `${time} · ${counted(tally.accepted, 'order')}, ${counted(tally.failureCount, 'failure')} · ${stages.join(', ')}`
}

/** Returns the summary of the simulation, which counts every customer once. */
export function summarize(tally: SimulationStats): string {
  const orders = endings.map(ending => [`  ${ending}`, String(tally.count(ending))])
  const unserved = [
    ['not accepted', tally.notAccepted],
    ['turned away, too many open orders', tally.turnedAway],
    ['not sent, the simulation was stopped', tally.cutOff],
  ] as const
  const counts = [
    ['customers', String(tally.arrived)],
    ['orders accepted', String(tally.accepted)],
    ...orders,
    ...unserved.filter(([, count]) => count > 0).map(([what, count]) => [what, String(count)]),
  ]
  const latencies = timings
    .map(timing => [timing, tally.latencies[timing]] as const)
    .filter(([, { count }]) => count > 0)
    .map(([timing, times]) => [
      timing,
      String(times.count),
      ...PERCENTS.map(percent => milliseconds(times.percentile(percent))),
    ])
  return [
    plainTable(['left', 'right'], [], counts),
    plainTable(
      ['left', 'right', 'right', 'right', 'right', 'right'],
      ['ms, including waits', 'count', 'p50', 'p95', 'p99', 'max'],
      latencies,
    ),
    summarizeTrouble(tally),
  ].join('\n\n')
}

function summarizeTrouble(tally: SimulationStats): string {
  const { troubles, failureCount, gaveUp } = tally
  const open = tally.count('PLACED') + tally.count('PREPARING') + tally.count('OUT_FOR_DELIVERY')
  const rows = troubles.map(({ status, code, count, example }) => [
    code,
    String(status ?? '-'),
    String(count),
    example.slice(0, EXAMPLE_LENGTH),
  ])
  const verdict =
    failureCount > 0
      ? `FAILED: ${counted(failureCount, 'call')} got 5xx or no response.`
      : 'No call got 5xx or no response.'
  return [
    ...(rows.length > 0
      ? [
          `${plainTable(['left', 'right', 'right', 'left'], ['problem', 'status', 'count', 'for example'], rows)}\n`,
        ]
      : []),
    ...(open > 0 ? [`${counted(open, 'order was', 'orders were')} still open at the end.`] : []),
    ...(gaveUp > 0
      ? [`${counted(gaveUp, 'order was', 'orders were')} still PLACED after the polling timeout.`]
      : []),
    verdict,
  ].join('\n')
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function milliseconds(ms: number): string {
  return ms.toFixed(ms < 100 ? 1 : 0)
}
