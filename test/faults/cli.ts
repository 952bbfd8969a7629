import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { decimalNumber, readOptions, text, wholeNumber } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import type { FaultResult } from './compare-outcomes.ts'
import { faults } from './faults.ts'
import { runFaults, type SuiteResult } from './run-faults.ts'

/** The fault suite: nothing lost, nothing doubled, whatever dies. */

const RESCUE_BAR_MS = 15_000

const command = {
  name: 'npm run test:faults --',
  summary: `Runs ${faults.length} faults in a random order against 2 APIs, 2 dispatchers and 3 workers on a real Postgres,
with clients that write down every answer; then compares what they were told with what is there.
Exits with 1 when anything was lost or doubled, or a promise was broken.`,
  example: 'npm run test:faults -- --seed 7 --minutes 10',
}

const columns: [title: string, of: (results: FaultResult[]) => string][] = [
  ['runs', its => String(its.length)],
  ['acknowledged', its => total(its, ({ acknowledged }) => acknowledged)],
  ['refused', its => total(its, ({ refused }) => refused)],
  ['unanswered', its => total(its, ({ unanswered }) => unanswered)],
  ['recovered', its => total(its, ({ recovered }) => recovered)],
  ['lost', its => total(its, ({ lost }) => lost.length)],
  ['duplicated', its => total(its, ({ duplicated }) => duplicated.length)],
  ['violations', its => total(its, ({ violations }) => violations.length)],
  ['healthy after', its => longest(its, ({ healthyMs }) => healthyMs ?? Number.POSITIVE_INFINITY)],
  ['slowest order', its => longest(its, ({ slowestMs }) => slowestMs)],
]

await runScript(async () => {
  const options = readOptions(
    command,
    {
      seed: wholeNumber('the order of faults, and what clients do, follow from it', 1, 0, 1_000_000_000),
      minutes: decimalNumber('rounds go on for so long; every fault runs at least once', 0.1, 0, 600),
      only: text('faults, by name and with commas', ''),
      json: text('file for the whole result', ''),
      report: text('folder with files of --json: prints their table, and runs nothing', ''),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  if (options.report !== '') {
    console.log(reportOf(options.report))
    return 0
  }
  const wanted =
    options.only === '' ? faults : faults.filter(({ name }) => options.only.split(',').includes(name))
  if (wanted.length === 0)
    throw new ScriptError(`--only has to name some of ${faults.map(({ name }) => name).join(', ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'comanda-faults-'))
  chmodSync(folder, 0o755)
  console.error(`seed ${options.seed}; logs of all processes: ${join(folder, 'processes.log')}`)
  const verdict = await runFaults({
    seed: options.seed,
    faults: wanted,
    untilMs: options.minutes * 60_000,
    folder,
    onProgress: line => console.error(line),
  })
  const { results, violations } = verdict
  const wrongs = [
    ...results.flatMap(({ lost, duplicated, violations }) => [...lost, ...duplicated, ...violations]),
    ...violations,
  ]
  console.log(`\n${report(verdict)}`)
  for (const wrong of wrongs) console.log(`  ${wrong}`)
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify({ seed: options.seed, ...verdict }, null, 2)}\n`)
  if (wrongs.length === 0) rmSync(folder, { recursive: true, force: true })
  return wrongs.length === 0 ? 0 : 1
})

/** All runs of a folder in one table. */
function reportOf(folder: string): string {
  const verdicts = readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .map(name => JSON.parse(readFileSync(join(folder, name), 'utf8')) as SuiteResult & { seed: number })
  const seeds = verdicts.map(({ seed }) => seed).toSorted((a, b) => a - b)
  const whole = {
    results: verdicts.flatMap(({ results }) => results),
    violations: verdicts.flatMap(({ violations }) => violations),
    attempts: verdicts.reduce((sum, { attempts }) => sum + attempts, 0),
  }
  return `seeds ${seeds.join(', ')}\n\n${report(whole)}`
}

function report({ results, violations, attempts }: SuiteResult): string {
  const byFault = Map.groupBy(results, ({ fault }) => fault)
  const rows = faults.flatMap(({ name }): [string, FaultResult[]][] => {
    const its = byFault.get(name)
    return its ? [[name, its]] : []
  })
  const table = plainTable(
    ['left', ...columns.map(() => 'right' as const)],
    ['fault', ...columns.map(([title]) => title)],
    [...rows, ['all', results] as const].map(([fault, its]) => [fault, ...columns.map(([, of]) => of(its))]),
  )
  const slow = results.filter(({ slowestMs }) => (slowestMs ?? 0) > RESCUE_BAR_MS).length
  return [
    table,
    '',
    `${attempts} requests; at the end, ${violations.length} violations that belong to no fault`,
    `${slow} of ${results.length} faults held an order up for more than ${RESCUE_BAR_MS / 1_000} s`,
  ].join('\n')
}

function total(results: readonly FaultResult[], figure: (result: FaultResult) => number): string {
  return String(results.reduce((sum, result) => sum + figure(result), 0))
}

function longest(results: readonly FaultResult[], ms: (result: FaultResult) => number | null): string {
  const known = results.map(ms).filter(value => value !== null)
  return known.length > 0 ? seconds(Math.max(...known)) : ''
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
