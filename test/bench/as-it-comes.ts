import { createMenu } from '../support/menu.ts'
import type { Menu } from '../support/pipeline.ts'
import { type Figures, type FreshBench, orderBodies, untilDrained } from './bench.ts'
import { BenchSystem, type Role } from './bench-system.ts'
import { closedLoop } from './closed-loop.ts'
import { limitOn } from './limit.ts'
import { openLoop } from './open-loop.ts'
import { processedBetween } from './processed-between.ts'
import { PreparingWatch } from './watch-preparing.ts'

/** Scenarios on a new server with the settings of `npm start`, which nothing has prepared. */

const RESTAURANT_COUNT = 100
const ITEM_COUNT = 10
const STOCK = 1_000_000
/** Together 1,000 orders. */
const WARM_UP = { rate: 500, seconds: 2 }
const LATENCY_RATE = 100
const CONNECTIONS = 128

/** A new system with its menus, after the orders of the warm-up. */
interface FreshSystem {
  system: BenchSystem
  /** one of the menus */
  menu: Menu
  /** orders of one item each, spread over all restaurants */
  bodies: string[]
}

/**
 * Measures the latency at 100 orders/s, then throughput at 128 connections, and then the limit on
 * the same server.
 */
export function asItComes(roles: readonly Role[]) {
  return async ({ seconds, checkout }: FreshBench): Promise<Figures> =>
    await withFreshSystem(await BenchSystem.createAsItComes({ checkout }), roles, async fresh => {
      const { system, menu, bodies } = fresh
      const { baseUrl } = system.api
      const watch = await PreparingWatch.start(system.url)
      const paced = await openLoop({
        baseUrl,
        bodies,
        connections: 32,
        seconds,
        rate: LATENCY_RATE,
        onPlaced: (orderId, sentAt) => watch.add(orderId, sentAt),
      })
      const missing = await watch.end()
      const since = new Date()
      const full = await closedLoop({ baseUrl, bodies, connections: CONNECTIONS, seconds })
      const { perSecond } = await processedBetween(fresh, since, new Date())
      await system.run([])
      return {
        'limit orders/s': await limitOn(system.url, menu, seconds),
        'placed orders/s': full.perSecond,
        'placed p99 ms': full.p99Ms,
        'end to end orders/s': perSecond,
        'POST to PREPARING seen p50 ms': watch.latencies.percentile(50),
        'POST to PREPARING seen p99 ms': watch.latencies.percentile(99),
        errors: paced.errors + full.errors + missing,
      }
    })
}

/** Runs the roles, creates the menus, warms up, calls `measure`, and destroys the system. */
export async function withFreshSystem(
  system: BenchSystem,
  roles: readonly Role[],
  measure: (fresh: FreshSystem) => Promise<Figures>,
): Promise<Figures> {
  try {
    if (!roles.includes('start')) await system.migrate()
    await system.run(roles)
    const menus: Menu[] = []
    for (let number = 1; number <= RESTAURANT_COUNT; number++)
      menus.push(
        await createMenu(system.api, { name: `Bench ${number}`, itemCount: ITEM_COUNT, stock: STOCK }),
      )
    const [menu] = menus
    if (!menu) throw new Error('there is no menu')
    const bodies = interleave(menus.map(menu => orderBodies(menu)))
    await openLoop({ baseUrl: system.api.baseUrl, bodies, connections: 32, ...WARM_UP })
    await untilDrained({ system })
    return await measure({ system, menu, bodies })
  } finally {
    await system.destroy()
  }
}

/** Returns the first element of each list, then the second of each, and so on. */
function interleave(lists: readonly string[][]): string[] {
  return Array.from({ length: ITEM_COUNT }, (_, index) => lists.map(list => list[index] ?? '')).flat()
}
