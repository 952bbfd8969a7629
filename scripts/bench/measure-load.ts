import { setTimeout as delay } from 'node:timers/promises'
import { addBacklog } from './backlog.ts'
import { type Bench, clearBacklog, type Figures, runWarm, singles, startIdle, untilDrained } from './bench.ts'
import type { Role } from './bench-system.ts'
import { limitByPg, limitByPgbench, type Menu } from './limit.ts'
import { closedLoop, openLoop } from './load.ts'

/** How much goes through. */

/** Events a second of load, so that the short drain lasts through it. */
export const SHORT_BACKLOG_PER_SECOND = 4_000
const DRAIN_WARMUP_MS = 1_000
const OVERLOAD_CONNECTION_COUNT = 4_000
/** Orders that an API lets wait, or has under way. */
const WAITING_COUNT = 2_100
/** What they offer, in times of the peak. */
const OVERLOAD = 3
const AFTER_OVERLOAD_RATE = 100

export async function limit({ system, menu, seconds }: Bench): Promise<Figures> {
  await system.run([])
  const byPgbench = await limitByPgbench(system.url, menu, seconds)
  const byPg = await limitByPg(system.url, menu, seconds)
  return { 'orders/s': byPgbench ?? byPg, 'node-postgres orders/s': byPg }
}

export function placement(connections: number, roles: Role[], env: Record<string, string> = {}) {
  return async (bench: Bench): Promise<Figures> => {
    await clearBacklog(bench)
    await runWarm(bench, roles, env)
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
export function endToEnd(bodies: (menu: Menu) => string[]) {
  return async (bench: Bench): Promise<Figures> => {
    const since = await startIdle(bench)
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

/** The same in the system that is full of old orders. */
export function grown(run: (bench: Bench) => Promise<Figures>) {
  return async (bench: Bench): Promise<Figures> => {
    if (!bench.grown) throw new Error('there is no grown system')
    await bench.system.run([])
    const figures = await run({ ...bench, ...bench.grown })
    await bench.grown.system.run([])
    return figures
  }
}

/** Orders prepared a second, while at least `count` wait when it begins. */
export function drain(count: (bench: Bench) => number) {
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
 * What the API makes of more than it can take: its peak first; then so many connections that most have to be refused, each
 * sending again a while after it was answered, three times the peak in all; then a small load again.
 */
export async function overload(bench: Bench): Promise<Figures> {
  await clearBacklog(bench)
  await runWarm(bench, ['api'])
  const { baseUrl } = bench.system.api
  const load = { baseUrl, bodies: singles(bench.menu), seconds: bench.seconds }
  const peak = await closedLoop({ ...load, connections: 128 })
  const connections = OVERLOAD_CONNECTION_COUNT
  // So many wait in the API's queue: it is the others that offer what is beyond the peak.
  const refusedConnections = connections - WAITING_COUNT
  const pauseMs = (refusedConnections * 1_000) / ((OVERLOAD - 1) * peak.perSecond)
  const flood = await closedLoop({ ...load, connections, pauseMs })
  const after = await openLoop({ ...load, connections: 8, rate: AFTER_OVERLOAD_RATE })
  const refused = flood.errors / bench.seconds
  const peakMb = bench.system.peakOf('api')
  // Its memory is a figure of its own.
  await bench.system.run([])
  bench.system.forgetPeaks()
  return {
    'peak orders/s': peak.perSecond,
    'goodput orders/s': flood.perSecond,
    'offered ÷ peak': (flood.perSecond + refused) / peak.perSecond,
    'p99 ms': flood.p99Ms,
    'p99 after it ms': after.p99Ms,
    'errors after it': after.errors,
    'API MB': peakMb,
  }
}
