import { readOptions, text, wholeNumber } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import { addMenu } from './add-menu.ts'
import type { Bench } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { loadTool } from './closed-loop.ts'
import { fillTables } from './fill-tables.ts'
import { hasH2load } from './flood.ts'
import { type Results, ratioRows, reportText } from './report.ts'
import { growthScenarios, scenarios } from './scenarios.ts'
import { writeFigures } from './write-figures.ts'

/**
 * Measures the system on this machine, in rounds that run every scenario once, so that a busy neighbour hits all of
 * them alike; prints medians with least and most, and the ratios that count.
 */

const command = {
  name: 'npm run bench --',
  summary:
    'Measures placement, the slow path and latencies against the limit of one commit an order, in one run.',
  example: 'npm run bench -- --rounds 3 --seconds 6 --only limit,place-128,end-to-end',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      rounds: wholeNumber('how often each scenario runs', 3, 1, 50),
      seconds: wholeNumber('length of each load', 6, 1, 600),
      only: text('scenarios, by name and with commas', ''),
      grow: wholeNumber(
        'old orders in a second system, to compare with; 0 leaves growth out',
        0,
        0,
        20_000_000,
      ),
      backlog: wholeNumber('events that wait in drain-long', 1_000_000, 10_000, 20_000_000),
      json: text('file for all figures', 'bench-results/latest.json'),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const all = options.grow > 0 ? [...scenarios, ...growthScenarios] : scenarios
  const named = options.only === '' ? all : all.filter(({ name }) => options.only.split(',').includes(name))
  const wanted = hasH2load ? named : named.filter(({ name }) => name !== 'overload')
  if (wanted.length < named.length)
    console.error('overload is left out: it needs h2load, which Debian has in nghttp2-client')
  if (wanted.length === 0)
    throw new ScriptError(`--only has to name some of ${all.map(({ name }) => name).join(', ')}`)

  const system = await BenchSystem.create()
  let grown: Bench['grown']
  try {
    if (wanted.some(({ name }) => name.endsWith('-grown'))) grown = await growSystem(options.grow)
    const menu = await addMenu(system)
    const bench = { system, menu, seconds: options.seconds, grown, backlogCount: options.backlog }
    const results = await runRounds(bench, wanted, options.rounds)
    console.log(`\n${reportText(wanted, results)}`)
    const rounds = Object.fromEntries(results)
    writeFigures(options.json, { loadTool, ratios: ratioRows(results), rounds })
  } finally {
    await grown?.system.destroy()
    await system.destroy()
  }
  return 0
})

async function growSystem(orders: number): Promise<Bench['grown']> {
  console.error(`filling a second system with ${orders} orders …`)
  const system = await BenchSystem.create()
  const client = await system.db.connect()
  try {
    await fillTables(client, orders)
    // What it leaves for operators to find would keep the workers busy here.
    await client.query(`delete from pgboss.job where state < 'completed'`)
    await client.query(
      'update outbox_events set dispatched_at = now() where dispatched_at is null and quarantined_at is null',
    )
  } finally {
    client.release(true)
  }
  const menu = await addMenu(system)
  await system.run([])
  return { system, menu }
}

async function runRounds(bench: Bench, wanted: typeof scenarios, rounds: number): Promise<Results> {
  const results: Results = new Map(wanted.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { name, about, run }] of wanted.entries()) {
      console.error(`round ${round}/${rounds}, ${index + 1}/${wanted.length}  ${name}: ${about}`)
      await bench.system.checkpoint()
      await bench.grown?.system.checkpoint()
      results.get(name)?.push(await run(bench))
    }
  }
  return results
}
