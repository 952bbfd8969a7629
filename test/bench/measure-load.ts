import { addBacklog } from './backlog.ts'
import { type Bench, clearBacklog, type Figures, runWarm, singles, startIdle, untilDrained } from './bench.ts'
import type { Role } from './bench-system.ts'
import { limitByPg, limitByPgbench, type Menu } from './limit.ts'
import { closedLoop, flood, openLoop } from './load.ts'

/** How much goes through. */

/** Events a second of load, so that the short drain lasts about as long. */
export const SHORT_BACKLOG_PER_SECOND = 4_000
const LONG_DRAIN_TIMEOUT_MS = 1_200_000
const OVERLOAD_CONNECTION_COUNT = 4_800
/** A flood lasts, in times of another load: that many connections take their time to be made. */
const OVERLOAD_LENGTH = 3
/** Orders that an API lets wait, or has under way, at most. */
const WAITING_COUNT = 2_500
/** What they offer, in times of what the whole system keeps up with. */
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

/** First POST to the last PREPARING, everything on this machine. */
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
    const { perSecond } = await carriedThrough(bench, since, new Date())
    return { 'orders/s': perSecond, 'API p99 ms': p99Ms, errors }
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

/** At 128 connections, the API alone, while a long backlog waits for a dispatcher. */
export async function placementBehindBacklog(bench: Bench): Promise<Figures> {
  const { system, menu, seconds, backlogCount } = bench
  await runWarm(bench, ['api'])
  await addBacklog(system, menu, backlogCount)
  const { baseUrl } = system.api
  const result = await closedLoop({ baseUrl, bodies: singles(menu), connections: 128, seconds })
  await clearBacklog(bench)
  return { 'orders/s': result.perSecond, 'p99 ms': result.p99Ms, errors: result.errors }
}

/**
 * Orders carried through a second, from the first PREPARING to the last, when so many wait and no more come. To the last: the
 * dispatcher is ahead of the worker, and what it does for later orders would be counted against the earlier.
 */
export function drain(count: (bench: Bench) => number) {
  return async (bench: Bench): Promise<Figures> => {
    const { system, menu } = bench
    await clearBacklog(bench)
    await system.run([])
    await addBacklog(system, menu, count(bench))
    const since = new Date()
    await system.run(['dispatcher', 'worker'])
    await untilDrained(bench, LONG_DRAIN_TIMEOUT_MS)
    const [row] = await system.query<{ orders: string; seconds: string }>(
      `select count(*) as orders, extract(epoch from max(at) - min(at)) as seconds
      from order_transitions
      where seq = 2 and to_status = 'PREPARING' and at >= $1`,
      [since],
    )
    const [orders, seconds] = [Number(row?.orders), Number(row?.seconds)]
    return { 'orders/s': orders / seconds, orders, 'lasted s': seconds }
  }
}

/**
 * What becomes of three times what the whole system can keep up with: first that rate and the peak of placement beside it; then the
 * flood, on so many connections that most of its orders have to be refused; then a small load, at once. All with the same item.
 */
export async function overload(bench: Bench): Promise<Figures> {
  const peakSince = await startIdle(bench)
  const { baseUrl } = bench.system.api
  const load = { baseUrl, bodies: singles(bench.menu).slice(0, 1), seconds: bench.seconds }
  const peak = await closedLoop({ ...load, connections: 128 })
  const sustained = await carriedThrough(bench, peakSince, new Date())
  const floodSince = new Date()
  // Whoever waits sends nothing more: it is the others that offer what is beyond the peak.
  const beyond = OVERLOAD * sustained.perSecond - peak.perSecond
  const paceOfEach = beyond / (OVERLOAD_CONNECTION_COUNT - WAITING_COUNT)
  const connections = OVERLOAD_CONNECTION_COUNT
  const flooded = await flood({
    ...load,
    connections,
    seconds: OVERLOAD_LENGTH * bench.seconds,
    rate: paceOfEach * connections,
  })
  const floodUntil = new Date()
  const after = await openLoop({ ...load, connections: 8, rate: AFTER_OVERLOAD_RATE })
  const carried = await carriedThrough(bench, floodSince, floodUntil)
  const peakMb = bench.system.peakOf('api')
  // Its memory is a figure of its own.
  await bench.system.run([])
  bench.system.forgetPeaks()
  return {
    'peak placed orders/s': peak.perSecond,
    'sustained orders/s': sustained.perSecond,
    'offered ÷ sustained': flooded.offeredPerSecond / sustained.perSecond,
    'placed orders/s': flooded.placedPerSecond,
    'carried through orders/s': carried.perSecond,
    'placed p99 ms': flooded.placedP99Ms,
    'refused p50 ms': flooded.refusedP50Ms,
    errors: flooded.errors,
    'drained after s': (carried.lastAt.getTime() - floodUntil.getTime()) / 1_000,
    'p99 after it ms': after.p99Ms,
    'errors after it': after.errors,
    'API MB': peakMb,
  }
}

/** What was placed between the two, from the first moment to the last PREPARING, once that has come. */
async function carriedThrough(
  bench: Bench,
  since: Date,
  until: Date,
): Promise<{ perSecond: number; lastAt: Date }> {
  await untilDrained(bench)
  const [row] = await bench.system.query<{ orders: string; at: Date }>(
    `select count(*) as orders, max(prepared.at) as at
    from order_transitions as placed
    join order_transitions as prepared using (restaurant_id, order_id)
    where placed.seq = 1 and placed.at between $1 and $2
    and prepared.seq = 2 and prepared.to_status = 'PREPARING'`,
    [since, until],
  )
  const lastAt = row?.at ?? until
  return { perSecond: Number(row?.orders) / ((lastAt.getTime() - since.getTime()) / 1_000), lastAt }
}
