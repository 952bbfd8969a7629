import { join } from 'node:path'
import { Api } from '../../scripts/support/api.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { createMenu } from '../support/menu.ts'
import { untilTrue } from '../support/until.ts'
import { Clients } from './clients.ts'
import { Cluster } from './cluster.ts'
import { compareOutcomes, type FaultResult, type FaultRun } from './compare-outcomes.ts'
import { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault, SystemUnderTest } from './fault.ts'
import { Proxy } from './proxy.ts'
import { runFault, violatedInvariants } from './run-fault.ts'

export interface SuiteResult {
  results: FaultResult[]
  /** crashes, and invariants violated at the end, that cannot be attributed to one fault */
  violations: string[]
  /** number of requests */
  attempts: number
}

export interface SuiteOptions {
  /** decides the order of the faults and what clients do */
  seed: number
  faults: readonly Fault[]
  /** Rounds of all faults repeat for this long. The first round is always complete. */
  untilMs: number
  /** where the database and `processes.log` are written */
  folder: string
  onProgress: (line: string) => void
}

const MENU = { name: 'Faults', itemCount: 8, stock: 1_000_000 }
const DRAIN_TIMEOUT_MS = 120_000

/**
 * Injects faults into 2 APIs, 2 dispatchers and 3 workers on a real Postgres behind a proxy, while
 * clients record every response. Then waits until the pipeline has drained and compares the
 * responses with the database.
 */
export async function runFaults(options: SuiteOptions): Promise<SuiteResult> {
  const { seed, folder } = options
  const postgres = await DatabaseUnderTest.start(join(folder, 'database'))
  const proxy = await Proxy.listen(postgres.server.port)
  const throughProxy = new URL(postgres.server.url)
  throughProxy.port = String(proxy.port)
  const cluster = new Cluster(throughProxy.href, join(folder, 'processes.log'))
  let clients: Clients | undefined
  async function stop(): Promise<void> {
    await clients?.stop()
    await cluster.stop()
    await proxy.close()
    await postgres.stop()
  }
  const stopEarly = () => void stop().finally(() => process.exit(130))
  process.once('SIGINT', stopEarly).once('SIGTERM', stopEarly)
  try {
    await cluster.start()
    const menu = await createMenu(new Api(`http://127.0.0.1:${cluster.of('api')[0]?.port}`), MENU)
    clients = new Clients(cluster, menu, new SeededRandom(seed, 'clients'))
    clients.start()
    const random = new SeededRandom(seed, 'faults')
    const runs = await runRounds(options, { cluster, postgres, proxy, clients, menu, random })
    await clients.stop()
    const violations: string[] = []
    if (!(await untilDrained(postgres))) violations.push('the asynchronous pipeline did not drain')
    violations.push(...(await violatedInvariants(postgres)), ...cluster.crashes)
    const results = await compareOutcomes(postgres, runs)
    return { results, violations, attempts: clients.attempts.length }
  } finally {
    process.off('SIGINT', stopEarly).off('SIGTERM', stopEarly)
    await stop()
  }
}

async function runRounds(
  { faults, untilMs, onProgress }: SuiteOptions,
  testBed: SystemUnderTest,
): Promise<FaultRun[]> {
  const runs: FaultRun[] = []
  const started = Date.now()
  do {
    for (const fault of testBed.random.shuffled(faults)) {
      const run = await runFault(fault, testBed)
      runs.push(run)
      onProgress(describe(run))
      if (runs.length >= faults.length && Date.now() - started > untilMs) break
    }
  } while (Date.now() - started < untilMs)
  return runs
}

/**
 * Waits until no event is undispatched and no job is pending. Maintenance jobs are ignored: one
 * that a fault has hit is retried only after a minute or two.
 */
async function untilDrained(postgres: DatabaseUnderTest): Promise<boolean> {
  return await untilTrue(DRAIN_TIMEOUT_MS, async () => {
    const rows = await postgres.query(
      `select 1 from outbox_events where dispatched_at is null
      union all select 1 from pgboss.job where state < 'completed' and name not like '\\_\\_pgboss%'
        and name not like 'maintenance.%' limit 1`,
    )
    return rows.length === 0
  })
}

function describe(run: FaultRun): string {
  const { fault, acknowledged, refused, unanswered, healthyMs, slowestMs, violations } = run
  const counts = `${acknowledged} acknowledged, ${refused} refused, ${unanswered} unanswered`
  const healthy = healthyMs === null ? 'not healthy' : `healthy after ${(healthyMs / 1_000).toFixed(1)} s`
  const slowest = slowestMs === null ? '' : `, slowest order ${(slowestMs / 1_000).toFixed(1)} s`
  const details = violations.map(violation => `\n  ${violation}`).join('')
  return `${fault}: ${counts}, ${healthy}${slowest}${details}`
}
