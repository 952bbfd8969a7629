import { plainTable } from '../../scripts/support/plain-table.ts'
import type { Figures, Scenario } from './bench.ts'

interface Summary {
  median: number
  min: number
  max: number
}

export type Results = Map<string, Figures[]>

/** Returns the median, minimum and maximum of a figure over the rounds. */
function summarize(rounds: readonly Figures[], figure: string): Summary {
  const values = rounds.map(round => round[figure] ?? Number.NaN).sort((a, b) => a - b)
  const middle = Math.floor(values.length / 2)
  const median = values.length % 2 ? values[middle] : ((values[middle - 1] ?? 0) + (values[middle] ?? 0)) / 2
  return { median: median ?? Number.NaN, min: values[0] ?? Number.NaN, max: values.at(-1) ?? Number.NaN }
}

/** Ratios of medians within one run: name, numerator, denominator, and target. */
const ratios: [name: string, over: [string, string], under: [string, string], target: string][] = [
  [
    'placement at 128 connections, API only ÷ limit',
    ['place-128', 'orders/s'],
    ['limit', 'orders/s'],
    '≥ 1.3',
  ],
  [
    'placement at 128 connections, all roles ÷ limit',
    ['place-128-all', 'orders/s'],
    ['limit', 'orders/s'],
    '≥ 0.5',
  ],
  [
    'placement at 1 connection ÷ without batching',
    ['place-1', 'orders/s'],
    ['place-1-unbatched', 'orders/s'],
    '≥ 0.95',
  ],
  ['end to end ÷ limit', ['end-to-end', 'orders/s'], ['limit', 'orders/s'], '≥ 0.35'],
  ['hot item ÷ uniform, end to end', ['hot-item', 'orders/s'], ['end-to-end', 'orders/s'], '≥ 0.7'],
  [
    'placed under overload ÷ peak',
    ['overload', 'placed orders/s'],
    ['overload', 'peak placed orders/s'],
    '≥ 0.8',
  ],
  [
    'processed to PREPARING under overload ÷ sustained',
    ['overload', 'processed orders/s'],
    ['overload', 'sustained orders/s'],
    '≥ 0.8',
  ],
  [
    'placement with old orders ÷ without',
    ['place-128-grown', 'orders/s'],
    ['place-128', 'orders/s'],
    '≥ 0.9',
  ],
  [
    'end to end with old orders ÷ without',
    ['end-to-end-grown', 'orders/s'],
    ['end-to-end', 'orders/s'],
    '≥ 0.9',
  ],
  [
    'placement with a long backlog ÷ without',
    ['place-128-backlog', 'orders/s'],
    ['place-128', 'orders/s'],
    '≥ 0.8',
  ],
  [
    'drain of a long backlog ÷ of a short backlog',
    ['drain-long', 'orders/s'],
    ['drain', 'orders/s'],
    '≥ 0.8',
  ],
  [
    'as it comes, roles apart: placement ÷ limit',
    ['as-it-comes-apart', 'placed orders/s'],
    ['as-it-comes-apart', 'limit orders/s'],
    '',
  ],
  [
    'as it comes, roles apart: end to end ÷ limit',
    ['as-it-comes-apart', 'end to end orders/s'],
    ['as-it-comes-apart', 'limit orders/s'],
    '≥ 0.45',
  ],
  [
    'as it comes, npm start: placement ÷ limit',
    ['as-it-comes-start', 'placed orders/s'],
    ['as-it-comes-start', 'limit orders/s'],
    '≥ 0.45',
  ],
  [
    'as it comes, npm start: end to end ÷ limit',
    ['as-it-comes-start', 'end to end orders/s'],
    ['as-it-comes-start', 'limit orders/s'],
    '≥ 0.40',
  ],
  ['3 items per order ÷ 1, end to end', ['3-items', 'orders/s'], ['end-to-end', 'orders/s'], ''],
  ['20 items per order ÷ 1, end to end', ['20-items', 'orders/s'], ['end-to-end', 'orders/s'], ''],
]

export function reportText(scenarios: readonly Scenario[], results: Results): string {
  const rows = scenarios.flatMap(({ name }) => {
    const rounds = results.get(name) ?? []
    return Object.keys(rounds[0] ?? {}).map(figure => {
      const { median, min, max } = summarize(rounds, figure)
      return [name, figure, round(median), `${round(min)} – ${round(max)}`]
    })
  })
  const table = plainTable(
    ['left', 'left', 'right', 'right'],
    ['scenario', 'figure', 'median', 'min – max'],
    rows,
  )
  return `${table}\n\n${ratioText(results)}`
}

export function ratioRows(results: Results): { name: string; ratio: number; target: string }[] {
  return ratios.flatMap(([name, [over, overFigure], [under, underFigure], target]) => {
    const [top, bottom] = [results.get(over), results.get(under)]
    if (!top || !bottom) return []
    return [
      { name, ratio: summarize(top, overFigure).median / summarize(bottom, underFigure).median, target },
    ]
  })
}

function ratioText(results: Results): string {
  const rows = ratioRows(results).map(({ name, ratio, target }) => [name, ratio.toFixed(2), target])
  return rows.length === 0
    ? ''
    : plainTable(['left', 'right', 'right'], ['ratio of medians', '', 'target'], rows)
}

function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2)
}
