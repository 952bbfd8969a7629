import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { Api } from '../../scripts/support/api.ts'
import { runChecks } from '../../scripts/support/run-checks.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { type Attempt, Clients, type Menu } from './clients.ts'
import { Cluster } from './cluster.ts'
import type { Fault, Surroundings } from './fault.ts'
import { Postgres } from './postgres.ts'
import { Proxy } from './proxy.ts'
import { untilPrepared, untilTrue } from './wait.ts'

/** What one fault did. */
export interface FaultResult {
  fault: string
  /** requests answered 202 or 200, refused (4xx or 503), and left without an answer or with another 5xx */
  acknowledged: number
  refused: number
  unanswered: number
  /** acknowledged orders or changes that are not in the database, when all is over */
  lost: string[]
  /** requests that made more than one order */
  duplicated: string[]
  /** orders that the slow path had finished with when all was over, a dead letter included */
  recovered: number
  /** broken promises, and what the fault complained of */
  violations: string[]
  /** from the fault's end until an order went from its POST to PREPARING again; null when it did not within a minute */
  healthyMs: number | null
  /** longest time from PLACED to its next status, of the orders placed since the fault began; null when not waited for */
  slowestMs: number | null
}

export interface Verdict {
  results: FaultResult[]
  /** what no fault can be blamed for: crashes, broken promises at the very end */
  violations: string[]
  attempts: number
}

/** A fault's figures before the end is known: which attempts were made during it, and what is told of it so far. */
interface FaultRun extends Omit<FaultResult, 'lost' | 'duplicated' | 'recovered'> {
  attempts: Attempt[]
}

const ITEM_COUNT = 8
const STOCK = 1_000_000
const HEALTHY_TIMEOUT_MS = 60_000
const PROBE_TIMEOUT_MS = 20_000
const DRAIN_TIMEOUT_MS = 120_000

export interface RunOptions {
  seed: number
  faults: readonly Fault[]
  /** rounds of all faults go on until this is over */
  untilMs: number
  folder: string
  onProgress: (line: string) => void
}

/**
 * Runs faults against 2 APIs, 2 dispatchers and 3 workers on a real Postgres behind a proxy, with clients that write
 * down every answer; then lets everything finish and compares.
 */
export async function runFaults({ seed, faults, untilMs, folder, onProgress }: RunOptions): Promise<Verdict> {
  mkdirSync(folder, { recursive: true })
  const postgres = await Postgres.start(join(folder, 'database'))
  await migrate(postgres.url, pino({ level: 'warn' }))
  const proxy = await Proxy.listen(postgres.port)
  const throughProxy = new URL(postgres.url)
  throughProxy.port = String(proxy.port)
  const cluster = new Cluster(throughProxy.href, join(folder, 'processes.log'))
  let clients: Clients | undefined
  const runs: FaultRun[] = []
  const violations: string[] = []
  async function stop(): Promise<void> {
    await clients?.stop()
    await cluster.stop()
    await proxy.close()
    await postgres.destroy()
  }
  const stopEarly = () => void stop().finally(() => process.exit(130))
  process.once('SIGINT', stopEarly).once('SIGTERM', stopEarly)
  try {
    await cluster.start()
    const random = new SeededRandom(seed, 'faults')
    const menu = await addMenu(cluster)
    clients = new Clients(cluster, menu, new SeededRandom(seed, 'clients'))
    const surroundings: Surroundings = { cluster, postgres, proxy, clients, menu, random }
    clients.start()
    const started = Date.now()
    do {
      for (const fault of random.shuffled(faults)) {
        const run = await runFault(fault, surroundings)
        runs.push(run)
        onProgress(describe(run))
        if (runs.length >= faults.length && Date.now() - started > untilMs) break
      }
    } while (Date.now() - started < untilMs)
    await clients.stop()
    if (!(await untilDrained(postgres))) violations.push('the slow path did not drain')
    violations.push(...(await brokenPromises(postgres)), ...cluster.crashes)
    const results = await judge(postgres, runs)
    return { results, violations, attempts: clients.attempts.length }
  } finally {
    process.off('SIGINT', stopEarly).off('SIGTERM', stopEarly)
    await stop()
  }
}

async function runFault(fault: Fault, surroundings: Surroundings): Promise<FaultRun> {
  const { clients, cluster, postgres } = surroundings
  // Whoever the fault before has ended may still be on its way back.
  await Promise.all(cluster.members.map(member => cluster.untilReady(member)))
  const began = new Date()
  const before = clients.attempts.length
  const violations = await fault.run(surroundings)
  const ended = Date.now()
  const isHealthy = await untilTrue(HEALTHY_TIMEOUT_MS, () => probe(surroundings))
  const healthyMs = isHealthy ? Date.now() - ended : null
  if (!isHealthy) violations.push('not healthy again within a minute')
  const slowestMs = fault.leavesOrdersLate ? null : await slowestSince(postgres, began)
  violations.push(...(await brokenPromises(postgres)))
  const attempts = clients.attempts.slice(before)
  const count = (is: (attempt: Attempt) => boolean) => attempts.filter(is).length
  return {
    fault: fault.name,
    acknowledged: count(({ status }) => status === 202 || status === 200),
    refused: count(({ status }) => (status >= 400 && status < 500) || status === 503),
    unanswered: count(({ status }) => status === 0 || (status >= 500 && status !== 503)),
    healthyMs,
    slowestMs,
    violations,
    attempts,
  }
}

/** Whether an order placed now is prepared: API, dispatcher and workers all do their part. */
async function probe({ clients, postgres }: Surroundings): Promise<boolean> {
  const order = await clients.place()
  return order.status === 202 && (await untilPrepared(postgres, order, PROBE_TIMEOUT_MS))
}

/** Waits for the orders placed since, dead letters aside, and says which took longest. */
async function slowestSince(postgres: Postgres, since: Date): Promise<number> {
  const until = new Date()
  await untilTrue(HEALTHY_TIMEOUT_MS, async () => {
    const rows = await postgres.query(
      `select 1 from orders where status = 'PLACED' and placed_at between $1 and $2
        and order_id not in (select order_id from dead_letters where order_id is not null) limit 1`,
      [since, until],
    )
    return rows.length === 0
  })
  const [row] = await postgres.query<{ ms: number }>(
    `select coalesce(max(extract(epoch from coalesce(next.at, now()) - placed.at) * 1000), 0)::float8 as ms
    from order_transitions as placed
    left join order_transitions as next on next.order_id = placed.order_id and next.seq = 2
    where placed.seq = 1 and placed.at between $1 and $2
      and placed.order_id not in (select order_id from dead_letters where order_id is not null)`,
    [since, until],
  )
  return row?.ms ?? 0
}

async function brokenPromises(postgres: Postgres): Promise<string[]> {
  const client = await postgres.connect()
  try {
    const results = await runChecks(client)
    return results.flatMap(({ name, rows }) => rows.map(row => `ops.${name} ${JSON.stringify(row)}`))
  } finally {
    await client.end()
  }
}

/** Nothing of an order is left to do. Chores are left out: one that a fault has hit is tried again in a minute or two. */
async function untilDrained(postgres: Postgres): Promise<boolean> {
  return await untilTrue(DRAIN_TIMEOUT_MS, async () => {
    const rows = await postgres.query(
      `select 1 from outbox_events where dispatched_at is null
      union all select 1 from pgboss.job where state < 'completed' and name not like '\\_\\_pgboss%'
        and name not like 'maintenance.%' limit 1`,
    )
    return rows.length === 0
  })
}

interface Outcome {
  order_id: string
  customer_id: string
  statuses: string[]
  is_finished: boolean
}

/** What clients were told during each fault, against what is there in the end. */
async function judge(postgres: Postgres, runs: readonly FaultRun[]): Promise<FaultResult[]> {
  const orders = await postgres.query<Outcome>(
    `select order_id, customer_id,
      (select array_agg(to_status) from order_transitions as t where t.order_id = o.order_id) as statuses,
      status <> 'PLACED' or exists (select 1 from dead_letters as d where d.order_id = o.order_id) as is_finished
    from orders as o
    where customer_id is not null`,
  )
  const byId = new Map(orders.map(order => [order.order_id, order]))
  const byTag = Map.groupBy(orders, ({ customer_id }) => customer_id)
  return runs.map(({ attempts, ...run }) => ({
    ...run,
    lost: attempts.flatMap(attempt => lossOf(attempt, byId)),
    duplicated: attempts.flatMap(({ kind, tag }) => {
      const made = kind === 'place' ? (byTag.get(tag)?.length ?? 0) : 0
      return made > 1 ? [`request ${tag} made ${made} orders`] : []
    }),
    recovered: attempts.filter(
      ({ kind, tag }) => kind === 'place' && byTag.get(tag)?.every(order => order.is_finished),
    ).length,
  }))
}

function lossOf({ kind, status, order_id = '' }: Attempt, byId: ReadonlyMap<string, Outcome>): string[] {
  const statuses = byId.get(order_id)?.statuses ?? []
  if (kind === 'place')
    return status === 202 && statuses.length === 0 ? [`order ${order_id} was accepted`] : []
  const promised = kind === 'cancel' ? 'CANCELLED' : 'OUT_FOR_DELIVERY'
  return status === 200 && !statuses.includes(promised)
    ? [`order ${order_id} was said to be ${promised}`]
    : []
}

async function addMenu(cluster: Cluster): Promise<Menu> {
  const api = new Api(`http://127.0.0.1:${cluster.of('api')[0]?.port}`)
  const { restaurant_id } = await api.addRestaurant({ name: 'Faults', currency: 'EUR' })
  const menu_item_ids: string[] = []
  for (let number = 0; number < ITEM_COUNT; number++) {
    const item = { name: `Dish ${number}`, price: '9.50', available_qty: STOCK, low_stock_threshold: 0 }
    menu_item_ids.push((await api.addMenuItem(restaurant_id, item)).menu_item_id)
  }
  return { restaurant_id, menu_item_ids }
}

function describe(run: FaultRun): string {
  const { fault, acknowledged, refused, unanswered, healthyMs, slowestMs, violations } = run
  const healthy = healthyMs === null ? 'not healthy' : `healthy after ${(healthyMs / 1_000).toFixed(1)} s`
  const numbers = `${acknowledged} acknowledged, ${refused} refused, ${unanswered} unanswered`
  const complaints = violations.map(violation => `\n  ${violation}`).join('')
  const slowest = slowestMs === null ? '' : `, slowest order ${(slowestMs / 1_000).toFixed(1)} s`
  return `${fault}: ${numbers}, ${healthy}${slowest}${complaints}`
}
