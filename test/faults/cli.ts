import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  chosen,
  commandLine,
  decimalNumber,
  names,
  nonEmpty,
  wholeNumber,
} from '../../scripts/support/command-line.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { FaultResult } from './compare-outcomes.ts'
import type { Fault } from './fault.ts'
import { faults } from './faults.ts'
import { runFaults, type SuiteResult } from './run-faults.ts'

/**
 * The fault suite: nothing may be lost or duplicated when processes, connections or Postgres fail.
 */

const RESCUE_TARGET_MS = 15_000

const columns: [title: string, of: (results: FaultResult[]) => string][] = [
  ['runs', runs => String(runs.length)],
  ['acknowledged', runs => total(runs, ({ acknowledged }) => acknowledged)],
  ['refused', runs => total(runs, ({ refused }) => refused)],
  ['unanswered', runs => total(runs, ({ unanswered }) => unanswered)],
  ['recovered', runs => total(runs, ({ recovered }) => recovered)],
  ['lost', runs => total(runs, ({ lost }) => lost.length)],
  ['duplicated', runs => total(runs, ({ duplicated }) => duplicated.length)],
  ['violations', runs => total(runs, ({ violations }) => violations.length)],
  ['healthy after', runs => longest(runs, ({ healthyMs }) => healthyMs ?? Number.POSITIVE_INFINITY)],
  ['slowest order', runs => longest(runs, ({ slowestMs }) => slowestMs)],
]

await runScript(async () => {
  const options = commandLine(
    'npm run test:faults --',
    `Runs ${faults.length} faults in random order against 2 APIs, 2 dispatchers and 3 workers on a real Postgres, with clients that log every response. Then compares these logs with the database.\nExits with 1 when anything is lost or duplicated, or when an invariant is violated.`,
    'npm run test:faults -- --seed 7 --minutes 10',
  )
    .option(
      '--seed <N>',
      'determines the order of faults and the requests of clients',
      wholeNumber(0, 1_000_000_000),
      1,
    )
    .option('--seeds <N>', 'runs this many seeds, from --seed on', wholeNumber(1, 1_000), 1)
    .option(
      '--minutes <N>',
      'duration of the rounds; every fault runs at least once',
      decimalNumber(0, 600),
      0.1,
    )
    .option('--only <NAMES>', 'names of faults, separated by commas (default: all)', names)
    .option('--json <FILE>', 'file for the result', nonEmpty)
    .option('--report <FOLDER>', 'only print the table of all --json files in a folder', nonEmpty)
    .parse()
    .opts()
  if (options.report !== undefined) {
    console.log(reportOf(options.report))
    return 0
  }
  const wanted = chosen(options.only, faults)
  const suites: SuiteResult[] = []
  for (let seed = options.seed; seed < options.seed + options.seeds; seed++)
    suites.push(await runSeed(seed, wanted, options.minutes * 60_000))
  const suite = together(suites)
  const failures = failuresOf(suite)
  console.log(`\n${report(suite)}`)
  for (const failure of failures) console.log(`  ${failure}`)
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify({ seed: options.seed, ...suite }, null, 2)}\n`)
  return failures.length === 0 ? 0 : 1
})

/** Keeps the logs of a run with failures. */
async function runSeed(seed: number, wanted: readonly Fault[], untilMs: number): Promise<SuiteResult> {
  const folder = temporaryFolder('faults')
  console.error(`seed ${seed}; logs of all processes: ${join(folder, 'processes.log')}`)
  const onProgress = (line: string) => console.error(line)
  const suite = await runFaults({ seed, faults: wanted, untilMs, folder, onProgress })
  if (failuresOf(suite).length === 0) rmSync(folder, { recursive: true, force: true })
  return suite
}

function failuresOf({ results, violations }: SuiteResult): string[] {
  return [
    ...results.flatMap(({ lost, duplicated, violations }) => [...lost, ...duplicated, ...violations]),
    ...violations,
  ]
}

/** Returns one table for all results in a folder. */
function reportOf(folder: string): string {
  const suites = readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .map(name => JSON.parse(readFileSync(join(folder, name), 'utf8')) as SuiteResult & { seed: number })
  const seeds = suites.map(({ seed }) => seed).toSorted((a, b) => a - b)
  return `seeds ${seeds.join(', ')}\n\n${report(together(suites))}`
}

function together(suites: readonly SuiteResult[]): SuiteResult {
  return {
    results: suites.flatMap(({ results }) => results),
    violations: suites.flatMap(({ violations }) => violations),
    attempts: suites.reduce((sum, { attempts }) => sum + attempts, 0),
  }
}

function report({ results, violations, attempts }: SuiteResult): string {
  const byFault = Map.groupBy(results, ({ fault }) => fault)
  const rows = faults.flatMap(({ name }): [string, FaultResult[]][] => {
    const runs = byFault.get(name)
    return runs ? [[name, runs]] : []
  })
  const table = plainTable(
    ['left', ...columns.map(() => 'right' as const)],
    ['fault', ...columns.map(([title]) => title)],
    [...rows, ['all', results] as const].map(([fault, runs]) => [
      fault,
      ...columns.map(([, of]) => of(runs)),
    ]),
  )
  const slow = results.filter(({ slowestMs }) => (slowestMs ?? 0) > RESCUE_TARGET_MS).length
  return [
    table,
    '',
    `${attempts} requests; ${violations.length} violations at the end that belong to no fault`,
    `${slow} of ${results.length} faults delayed an order by more than ${RESCUE_TARGET_MS / 1_000} s`,
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
