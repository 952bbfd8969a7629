import { commandLine, nonEmpty, wholeNumber } from '../../scripts/support/command-line.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { BenchSystem } from '../bench/bench-system.ts'
import { writeFigures } from '../bench/write-figures.ts'
import { ApiClient } from '../support/api-client.ts'
import { BoardRig } from './board-rig.ts'
import { findViolations, measureSleep, measureSoldOut } from './measure-board.ts'
import { type ManyFigures, measureMany } from './measure-many.ts'
import { measureRush } from './measure-rush.ts'
import type { Percentiles } from './page-probe.ts'

/** Measures how fast a board in a real browser shows what happens, and what many orders cost it. */

/** Scrolling, for example, is measured for a twentieth of the duration of the rush. */
const PHASES_PER_RUSH = 20
const MIN_PHASE_MS = 500

await runScript(async () => {
  const { json, ...options } = commandLine(
    'npm run bench:board --',
    'Opens boards in a browser before the processes of `npm start`: a rush, a sleep of five minutes, the last portion, many open orders.\nExits with 1 when a board shows something else than Postgres has. Times are only printed.',
    'npm run bench:board -- --seconds 5 --orders 20 --open 40',
  )
    .option('--orders <N>', 'orders of the rush', wholeNumber(1, 10_000), 300)
    .option('--seconds <N>', 'duration of the rush', wholeNumber(1, 3_600), 60)
    .option('--open <N>', 'open orders of the last measurement', wholeNumber(1, 900), 500)
    .option('--slowdown <N>', 'factor by which the browser slows the last one down', wholeNumber(1, 20), 1)
    .option('--json <FILE>', 'file for all figures', nonEmpty, 'bench-results/board.json')
    .parse()
    .opts()
  const system = await BenchSystem.createAsItComes({}, { track_commit_timestamp: 'on' })
  try {
    await system.run(['start'])
    const rig = await BoardRig.on({
      api: new ApiClient(system.api.baseUrl),
      query: (sql, values) => system.query(sql, values),
      stop: () => system.destroy(),
    })
    const failures: string[] = []
    try {
      console.error(`${options.orders} orders in ${options.seconds} s on three boards …`)
      const rush = await measureRush(rig, options, failures)
      console.error('five minutes asleep, and the last portion …')
      const caughtUpMs = await measureSleep(rig, failures)
      const soldOut = await measureSoldOut(rig, failures)
      console.error(`${options.open} open orders …`)
      const phaseMs = Math.max(MIN_PHASE_MS, (options.seconds * 1_000) / PHASES_PER_RUSH)
      const many = await measureMany(rig, { ...options, phaseMs })
      failures.push(...(await findViolations(rig)))
      console.log(`
${options.orders} orders in ${options.seconds} s on three boards, each of which makes every third one ready
  from commit to painted: new orders ${inWords(rush.placed)}; ready orders ${inWords(rush.ready)}
five minutes asleep, 60 changes: caught up ${whole(caughtUpMs)} ms after the network is back
the last portion: from commit to painted as sold out on three boards ${inWords(soldOut)}
${many.map(figures => manyInWords(figures, options)).join('\n')}`)
      for (const failure of failures) console.log(`  WRONG: ${failure}`)
      writeFigures(json, { ...options, rush, caughtUpMs, soldOut, many, failures })
      return failures.length === 0 ? 0 : 1
    } finally {
      await rig.stop()
    }
  } finally {
    await system.destroy()
  }
})

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function inWords({ p50Ms, p99Ms }: Percentiles): string {
  return `p50 ${whole(p50Ms)} ms, p99 ${whole(p99Ms)} ms`
}

function manyInWords(
  { width, shownMs, longestTaskMs, frames }: ManyFigures,
  { open, slowdown }: { open: number; slowdown: number },
): string {
  const task = (ms: number) => (ms === 0 ? 'at most 50' : whole(ms))
  const { load, idle, scroll, arrivals } = longestTaskMs
  const ratio = (value: number) => `${whole(value)} (${(value / frames.empty).toFixed(2)} of an empty page)`
  return `${open} open orders at ${width} px${slowdown === 1 ? '' : `, ${slowdown} times slower`}: shown ${whole(shownMs)} ms after a load
  longest task, ms: loading ${task(load)}, idle ${task(idle)}, scrolling ${task(scroll)}, with 5 new orders per second ${task(arrivals)}
  frames per second: scrolling ${ratio(frames.scroll)}, with 5 new orders per second ${ratio(frames.arrivals)}`
}
