import type { Menu } from '../support/pipeline.ts'
import { addBacklog } from './backlog.ts'
import {
  type Bench,
  clearBacklog,
  type Figures,
  orderBodies,
  runWarm,
  startIdle,
  untilDrained,
} from './bench.ts'
import type { Role } from './bench-system.ts'
import { closedLoop } from './closed-loop.ts'
import { limitByPg, limitByPgbench } from './limit.ts'
import { processedBetween } from './processed-between.ts'

/** Scenarios that measure throughput. */

/** Makes the short drain last about as long as one load. */
export const SHORT_BACKLOG_PER_SECOND = 4_000
const LONG_DRAIN_TIMEOUT_MS = 1_200_000

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
      bodies: orderBodies(bench.menu),
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

/**
 * Measures orders per second from the first POST to the last PREPARING, with all roles on this
 * machine.
 */
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
    const { perSecond } = await processedBetween(bench, since, new Date())
    return { 'orders/s': perSecond, 'API p99 ms': p99Ms, errors }
  }
}

/** Runs a scenario on the system with old orders. */
export function grown(run: (bench: Bench) => Promise<Figures>) {
  return async (bench: Bench): Promise<Figures> => {
    if (!bench.grown) throw new Error('there is no grown system')
    await bench.system.run([])
    const figures = await run({ ...bench, ...bench.grown })
    await bench.grown.system.run([])
    return figures
  }
}

/**
 * Measures placement at 128 connections with the API alone, while a long backlog of events is
 * undispatched.
 */
export async function placementBehindBacklog(bench: Bench): Promise<Figures> {
  const { system, menu, seconds, backlogCount } = bench
  await runWarm(bench, ['api'])
  await addBacklog(system, menu, backlogCount)
  const { baseUrl } = system.api
  const result = await closedLoop({ baseUrl, bodies: orderBodies(menu), connections: 128, seconds })
  await clearBacklog(bench)
  return { 'orders/s': result.perSecond, 'p99 ms': result.p99Ms, errors: result.errors }
}

/**
 * Measures how fast a backlog becomes PREPARING without new orders. The time runs from the first
 * PREPARING to the last one: the dispatcher is ahead of the worker, so a shorter window would count
 * its work for later orders.
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
