import { resolve } from 'node:path'
import { chosen, commandLine, names, nonEmpty, wholeNumber } from '../../scripts/support/command-line.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { addMenu } from './add-menu.ts'
import type { Bench, Figures, FreshBench, Scenario } from './bench.ts'
import { BenchSystem, ROOT } from './bench-system.ts'
import { loadTool } from './closed-loop.ts'
import { fillTables } from './fill-tables.ts'
import { hasH2load } from './flood.ts'
import { type Results, ratioRows, reportText } from './report.ts'
import { growthScenarios, longScenarios, scenarios } from './scenarios.ts'
import { writeFigures } from './write-figures.ts'

/**
 * Measures the system on this machine, in rounds that run every scenario once, so that other load
 * on the machine affects all scenarios alike. Prints medians with minimum and maximum, and ratios.
 */

await runScript(async () => {
  const options = commandLine(
    'npm run bench --',
    'Measures throughput and latencies, next to the throughput of one commit per order on the same Postgres.',
    'npm run bench -- --rounds 3 --seconds 6 --only limit,place-128,end-to-end',
  )
    .option('--rounds <N>', 'number of runs of each scenario', wholeNumber(1, 50), 3)
    .option('--seconds <N>', 'duration of each load', wholeNumber(1, 600), 6)
    .option('--only <NAMES>', 'names of scenarios, separated by commas (default: all but retention)', names)
    .option(
      '--grow <N>',
      'number of old orders in a second system, for comparison; 0: no second system',
      wholeNumber(0, 20_000_000),
      0,
    )
    .option(
      '--backlog <N>',
      'undispatched events at the start of drain-long',
      wholeNumber(10_000, 20_000_000),
      1_000_000,
    )
    .option('--checkout <DIR>', 'another checkout of Comanda, whose code is measured', nonEmpty, ROOT)
    .option('--json <FILE>', 'file for all figures', nonEmpty, 'bench-results/latest.json')
    .parse()
    .opts()
  const all = [
    ...scenarios,
    ...(options.grow > 0 ? growthScenarios : []),
    ...(options.only ? longScenarios : []),
  ]
  const named = chosen(options.only, all)
  const wanted = hasH2load ? named : named.filter(({ name }) => name !== 'overload')
  if (wanted.length < named.length)
    console.error('Skipping overload: it needs h2load (Debian: nghttp2-client).')
  if (wanted.length === 0) return 0

  const checkout = resolve(options.checkout)
  const fresh = { seconds: options.seconds, checkout }
  let bench: Bench | undefined
  try {
    if (wanted.some(scenario => 'run' in scenario)) {
      const system = await BenchSystem.create({ checkout })
      bench = { ...fresh, system, menu: await addMenu(system), backlogCount: options.backlog }
      if (wanted.some(({ name }) => name.endsWith('-grown')))
        bench.grown = await growSystem(options.grow, checkout)
    }
    const results = await runRounds(bench, fresh, wanted, options.rounds)
    console.log(`\n${reportText(wanted, results)}`)
    const rounds = Object.fromEntries(results)
    writeFigures(options.json, { loadTool, ratios: ratioRows(results), rounds })
  } finally {
    await bench?.grown?.system.destroy()
    await bench?.system.destroy()
  }
  return 0
})

async function growSystem(orders: number, checkout: string): Promise<Bench['grown']> {
  console.error(`filling a second system with ${orders} orders …`)
  const system = await BenchSystem.create({ checkout })
  const client = await system.db.connect()
  try {
    await fillTables(client, orders)
    // Open jobs and events, which fillTables leaves for operators to find, would keep the workers
    // busy.
    await client.query(`delete from pgboss.job where state < 'completed'`)
    await client.query(
      'update outbox_events set dispatched_at = now() where dispatched_at is null and quarantined_at is null',
    )
    // Ten times per retention period, and when it starts, a worker reads all finished jobs. Here
    // this would take longer than a measurement.
    await client.query('update pgboss.queue set maintain_on = now()')
  } finally {
    client.release(true)
  }
  const menu = await addMenu(system)
  await system.run([])
  return { system, menu }
}

/** @param bench the system that scenarios share; undefined if no scenario uses it */
async function runRounds(
  bench: Bench | undefined,
  fresh: FreshBench,
  wanted: readonly Scenario[],
  rounds: number,
): Promise<Results> {
  const results: Results = new Map(wanted.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [index, scenario] of wanted.entries()) {
      const { name, about } = scenario
      console.error(`round ${round}/${rounds}, ${index + 1}/${wanted.length}  ${name}: ${about}`)
      await bench?.system.checkpoint()
      await bench?.grown?.system.checkpoint()
      results.get(name)?.push(await runScenario(scenario, bench, fresh))
    }
  }
  return results
}

async function runScenario(
  scenario: Scenario,
  bench: Bench | undefined,
  fresh: FreshBench,
): Promise<Figures> {
  if ('runFresh' in scenario) {
    await bench?.system.run([])
    return await scenario.runFresh(fresh)
  }
  if (!bench) throw new Error('there is no shared system')
  return await scenario.run(bench)
}
