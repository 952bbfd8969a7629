import { setTimeout as delay } from 'node:timers/promises'
import { addBacklog } from './backlog.ts'
import type { BenchSystem, Role } from './bench-system.ts'
import { processUse } from './bench-system.ts'
import { limitByPg, limitByPgbench, type Menu } from './limit.ts'
import { closedLoop, openLoop } from './load.ts'

/** What one scenario measured, by name; the unit is the last word of the name. */
export type Figures = Record<string, number>

export interface Scenario {
  name: string
  /** what it does, in a line */
  about: string
  run: (bench: Bench) => Promise<Figures>
}

export interface Bench {
  system: BenchSystem
  menu: Menu
  /** length of one load, in s */
  seconds: number
  /** a second system, full of old orders; only when it was asked for */
  grown?: { system: BenchSystem; menu: Menu } | undefined
  /** events that wait when the drain of a long backlog begins */
  backlogCount: number
}

const ALL: Role[] = ['api', 'dispatcher', 'worker']
const DRAIN_TIMEOUT_MS = 300_000
const POLL_MS = 50
const SINGLE_ORDER_COUNT = 200
const AT_ONCE_COUNT = 1_000
const IDLE_SECONDS = 10
/** Events a second of load, so that the short drain lasts through it. */
const SHORT_BACKLOG_PER_SECOND = 4_000
const DRAIN_WARMUP_MS = 1_000
const OVERLOAD_CONNECTION_COUNT = 2_000
const AFTER_OVERLOAD_RATE = 100

/** Orders of one line each, over all items of the menu. */
function singles({ restaurant_id, menu_item_ids }: Menu, lines = 1): string[] {
  return menu_item_ids.map((_, first) => {
    const items = Array.from({ length: lines }, (_, offset) => ({
      menu_item_id: menu_item_ids[(first + offset) % menu_item_ids.length],
      quantity: 1,
    }))
    return JSON.stringify({ restaurant_id, items })
  })
}

/** Makes the next scenario start with nothing to do. */
async function clearBacklog({ system }: Bench): Promise<void> {
  await system.query(
    `update outbox_events set dispatched_at = now() where dispatched_at is null and quarantined_at is null`,
  )
}

async function untilDrained({ system }: Bench): Promise<void> {
  const deadline = Date.now() + DRAIN_TIMEOUT_MS
  for (;;) {
    const rows = await system.query(
      `select 1 from outbox_events where dispatched_at is null and quarantined_at is null
      union all select 1 from pgboss.job where state < 'completed' and name <> '__pgboss__send-it' limit 1`,
    )
    if (rows.length === 0) return
    if (Date.now() > deadline) throw new Error('the slow path did not drain in 5 minutes')
    await delay(POLL_MS)
  }
}

/** Times between the commits of PLACED and PREPARING, in ms, of the orders placed since. */
async function hops({ system }: Bench, since: Date): Promise<Figures> {
  const [row] = await system.query<{ p50: number; p99: number; max: number; count: string }>(
    `select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group (order by ms) as p99,
      max(ms) as max, count(*) as count
    from (
      select extract(epoch from pg_xact_commit_timestamp(prepared.xmin) - pg_xact_commit_timestamp(placed.xmin)) * 1000 as ms
      from order_transitions as placed
      join order_transitions as prepared using (order_id, restaurant_id)
      where placed.seq = 1 and prepared.seq = 2 and placed.at >= $1 and prepared.to_status = 'PREPARING'
    ) as hop`,
    [since],
  )
  return {
    'p50 ms': Number(row?.p50),
    'p99 ms': Number(row?.p99),
    'max ms': Number(row?.max),
    orders: Number(row?.count),
  }
}

function placement(connections: number, roles: Role[], env: Record<string, string> = {}) {
  return async (bench: Bench): Promise<Figures> => {
    await clearBacklog(bench)
    await bench.system.run(roles, env)
    const { baseUrl } = bench.system.api
    const result = await closedLoop({
      baseUrl,
      bodies: singles(bench.menu),
      connections,
      seconds: bench.seconds,
    })
    if (roles.includes('worker')) await untilDrained(bench)
    if (Object.keys(env).length > 0) await bench.system.run([])
    return {
      'orders/s': result.perSecond,
      'p50 ms': result.p50Ms,
      'p99 ms': result.p99Ms,
      errors: result.errors,
    }
  }
}

/** First POST to the commit of the last PREPARING, everything on this machine. */
function endToEnd(bodies: (menu: Menu) => string[]) {
  return async (bench: Bench): Promise<Figures> => {
    await clearBacklog(bench)
    await bench.system.run(ALL)
    await untilDrained(bench)
    const since = new Date()
    const { baseUrl } = bench.system.api
    const { errors, p99Ms } = await closedLoop({
      baseUrl,
      bodies: bodies(bench.menu),
      connections: 128,
      seconds: bench.seconds,
    })
    await untilDrained(bench)
    const [row] = await bench.system.query<{ orders: string; seconds: string }>(
      `select count(*) as orders, extract(epoch from max(at) - $1) as seconds
      from order_transitions where seq = 2 and to_status = 'PREPARING' and at >= $1`,
      [since],
    )
    return { 'orders/s': Number(row?.orders) / Number(row?.seconds), 'API p99 ms': p99Ms, errors }
  }
}

function latencyAt(rate: number) {
  return async (bench: Bench): Promise<Figures> => {
    await clearBacklog(bench)
    await bench.system.run(ALL)
    await untilDrained(bench)
    const since = new Date()
    const { baseUrl } = bench.system.api
    const { errors } = await openLoop({
      baseUrl,
      bodies: singles(bench.menu),
      connections: 32,
      seconds: bench.seconds,
      rate,
    })
    await untilDrained(bench)
    return { ...(await hops(bench, since)), errors }
  }
}

async function oneByOne(bench: Bench): Promise<Figures> {
  await clearBacklog(bench)
  await bench.system.run(ALL)
  await untilDrained(bench)
  const since = new Date()
  const { api } = bench.system
  const { restaurant_id, menu_item_ids } = bench.menu
  for (let count = 0; count < SINGLE_ORDER_COUNT; count++) {
    const { order_id } = await api.placeOrder({
      restaurant_id,
      items: [{ menu_item_id: menu_item_ids[0] ?? '', quantity: 1 }],
    })
    while ((await api.readOrder(order_id)).status === 'PLACED') await delay(POLL_MS)
  }
  return await hops(bench, since)
}

async function atOnce(bench: Bench): Promise<Figures> {
  await clearBacklog(bench)
  await bench.system.run(ALL)
  await untilDrained(bench)
  const since = new Date()
  const { api } = bench.system
  const { restaurant_id, menu_item_ids } = bench.menu
  const order = { restaurant_id, items: [{ menu_item_id: menu_item_ids[0] ?? '', quantity: 1 }] }
  await Promise.all(Array.from({ length: AT_ONCE_COUNT }, () => api.placeOrder(order)))
  await untilDrained(bench)
  return await hops(bench, since)
}

async function apiAtRate(bench: Bench): Promise<Figures> {
  await clearBacklog(bench)
  await bench.system.run(ALL)
  await untilDrained(bench)
  const { baseUrl } = bench.system.api
  const result = await openLoop({
    baseUrl,
    bodies: singles(bench.menu),
    connections: 500,
    seconds: bench.seconds,
    rate: 1_000,
  })
  await untilDrained(bench)
  return { 'p50 ms': result.p50Ms, 'p99 ms': result.p99Ms, errors: result.errors }
}

async function idle(bench: Bench): Promise<Figures> {
  await clearBacklog(bench)
  await bench.system.run(ALL)
  await untilDrained(bench)
  const cpu = (role: Role) => processUse(bench.system.pidOf(role) ?? 0)?.cpuSeconds ?? Number.NaN
  const before = { api: cpu('api'), dispatcher: cpu('dispatcher'), worker: cpu('worker') }
  await delay(IDLE_SECONDS * 1_000)
  const percent = (role: Role) => ((cpu(role) - before[role]) / IDLE_SECONDS) * 100
  return {
    'api % of a core': percent('api'),
    'dispatcher % of a core': percent('dispatcher'),
    'worker % of a core': percent('worker'),
  }
}

/** The same in the system that is full of old orders. */
function grown(run: (bench: Bench) => Promise<Figures>) {
  return async (bench: Bench): Promise<Figures> => {
    if (!bench.grown) throw new Error('there is no grown system')
    await bench.system.run([])
    const figures = await run({ ...bench, ...bench.grown })
    await bench.grown.system.run([])
    return figures
  }
}

/** Orders prepared a second, while at least `count` wait when it begins. */
function drain(count: (bench: Bench) => number) {
  return async (bench: Bench): Promise<Figures> => {
    const { system, menu, seconds } = bench
    await clearBacklog(bench)
    await system.run([])
    await addBacklog(system, menu, count(bench))
    const before = await preparedCount(bench)
    await system.run(['dispatcher', 'worker'])
    await delay(DRAIN_WARMUP_MS)
    const begun = await preparedCount(bench)
    const started = performance.now()
    await delay(seconds * 1_000)
    const perSecond = ((await preparedCount(bench)) - begun) / ((performance.now() - started) / 1_000)
    await clearBacklog(bench)
    await untilDrained(bench)
    return { 'orders/s': perSecond, 'prepared in all': (await preparedCount(bench)) - before }
  }
}

async function preparedCount({ system }: Bench): Promise<number> {
  const [row] = await system.query<{ count: string }>(
    `select count(*) from processed_events where consumer = 'order.prepare'`,
  )
  return Number(row?.count)
}

/**
 * What the API makes of more than it can take: its peak first, then so many connections, each sending again as soon as it is
 * answered, that most have to be refused; then a small load again.
 */
async function overload(bench: Bench): Promise<Figures> {
  await clearBacklog(bench)
  await bench.system.run(['api'])
  const { baseUrl } = bench.system.api
  const load = { baseUrl, bodies: singles(bench.menu), seconds: bench.seconds }
  const peak = await closedLoop({ ...load, connections: 128 })
  const flood = await closedLoop({ ...load, connections: OVERLOAD_CONNECTION_COUNT })
  const after = await openLoop({ ...load, connections: 8, rate: AFTER_OVERLOAD_RATE })
  const refused = flood.errors / bench.seconds
  return {
    'peak orders/s': peak.perSecond,
    'goodput orders/s': flood.perSecond,
    'offered ÷ peak': (flood.perSecond + refused) / peak.perSecond,
    'p99 ms': flood.p99Ms,
    'p99 after it ms': after.p99Ms,
    'errors after it': after.errors,
    'API MB': processUse(bench.system.pidOf('api') ?? 0)?.peakRssMb ?? Number.NaN,
  }
}

async function memory(bench: Bench): Promise<Figures> {
  await bench.system.run(ALL)
  const peak = (role: Role) => processUse(bench.system.pidOf(role) ?? 0)?.peakRssMb ?? Number.NaN
  return { 'api MB': peak('api'), 'dispatcher MB': peak('dispatcher'), 'worker MB': peak('worker') }
}

async function limit({ system, menu, seconds }: Bench): Promise<Figures> {
  await system.run([])
  const byPgbench = await limitByPgbench(system.url, menu, seconds)
  const byPg = await limitByPg(system.url, menu, seconds)
  return { 'orders/s': byPgbench ?? byPg, 'node-postgres orders/s': byPg }
}

/** In the order in which each round runs them: what starts from the same roles stands together. */
export const scenarios: Scenario[] = [
  {
    name: 'limit',
    about: 'one commit an order: the bare statement, prepared, 32 clients (pgbench, else node-postgres)',
    run: limit,
  },
  { name: 'place-1', about: 'placement at 1 connection, the API alone', run: placement(1, ['api']) },
  { name: 'place-32', about: 'placement at 32 connections, the API alone', run: placement(32, ['api']) },
  { name: 'place-128', about: 'placement at 128 connections, the API alone', run: placement(128, ['api']) },
  { name: 'place-500', about: 'placement at 500 connections, the API alone', run: placement(500, ['api']) },
  {
    name: 'place-1-unbatched',
    about: 'placement at 1 connection, one order a statement',
    run: placement(1, ['api'], { PLACEMENT_BATCH_COUNT: '1' }),
  },
  {
    name: 'place-128-all',
    about: 'placement at 128 connections while dispatcher and worker run',
    run: placement(128, ALL),
  },
  {
    name: 'place-500-all',
    about: 'placement at 500 connections while dispatcher and worker run',
    run: placement(500, ALL),
  },
  { name: 'end-to-end', about: 'first POST to last PREPARING, items taken evenly', run: endToEnd(singles) },
  {
    name: 'hot-item',
    about: 'the same, every order for one item',
    run: endToEnd(menu => singles(menu).slice(0, 1)),
  },
  { name: '3-items', about: 'the same, 3 items an order', run: endToEnd(menu => singles(menu, 3)) },
  { name: '20-items', about: 'the same, 20 items an order', run: endToEnd(menu => singles(menu, 20)) },
  {
    name: 'one-by-one',
    about: 'PLACED → PREPARING of 200 orders, each alone on an idle system',
    run: oneByOne,
  },
  { name: 'at-once', about: 'PLACED → PREPARING of 1,000 orders sent at once', run: atOnce },
  { name: 'latency-100', about: 'PLACED → PREPARING at 100 orders/s', run: latencyAt(100) },
  { name: 'latency-500', about: 'PLACED → PREPARING at 500 orders/s', run: latencyAt(500) },
  {
    name: 'api-1000',
    about: 'the API at 500 connections and 1,000 requests/s, all roles running',
    run: apiAtRate,
  },
  {
    name: 'drain',
    about: 'orders prepared while a few seconds of events wait, the API not running',
    run: drain(({ seconds }) => SHORT_BACKLOG_PER_SECOND * (seconds + 2)),
  },
  { name: 'overload', about: 'more than the API can take: 2,000 connections without a pause', run: overload },
  { name: 'idle', about: 'CPU of each role while nothing happens', run: idle },
  { name: 'memory', about: 'peak resident memory of each role, after all of the above', run: memory },
]

/** What the size of the tables does; run with `--grow`. */
export const growthScenarios: Scenario[] = [
  {
    name: 'place-128-grown',
    about: 'placement at 128 connections, the API alone, tables full of old orders',
    run: grown(placement(128, ['api'])),
  },
  {
    name: 'end-to-end-grown',
    about: 'first POST to last PREPARING, tables full of old orders',
    run: grown(endToEnd(singles)),
  },
  {
    name: 'drain-long',
    about: 'orders prepared while a long backlog waits, the API not running',
    run: drain(({ backlogCount }) => backlogCount),
  },
]
