import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, type Figures, orderBodies, POLL_MS, startIdle, untilDrained } from './bench.ts'
import { openLoop } from './open-loop.ts'

/** Scenarios that measure latency. */

const SINGLE_ORDER_COUNT = 200
const AT_ONCE_COUNT = 1_000

export function latencyAt(rate: number) {
  return async (bench: Bench): Promise<Figures> => {
    const since = await startIdle(bench)
    const { baseUrl } = bench.system.api
    const { errors } = await openLoop({
      baseUrl,
      bodies: orderBodies(bench.menu),
      connections: 32,
      seconds: bench.seconds,
      rate,
    })
    await untilDrained(bench)
    return { ...(await pipelineLatency(bench, since)), errors }
  }
}

export async function oneByOne(bench: Bench): Promise<Figures> {
  const since = await startIdle(bench)
  const { api } = bench.system
  const { restaurant_id, menu_item_ids } = bench.menu
  for (let count = 0; count < SINGLE_ORDER_COUNT; count++) {
    const { order_id } = await api.placeOrder({
      restaurant_id,
      items: [{ menu_item_id: menu_item_ids[0] ?? '', quantity: 1 }],
    })
    while ((await api.readOrder(order_id)).status === 'PLACED') await delay(POLL_MS)
  }
  return await pipelineLatency(bench, since)
}

export async function atOnce(bench: Bench): Promise<Figures> {
  const since = await startIdle(bench)
  const { api } = bench.system
  const { restaurant_id, menu_item_ids } = bench.menu
  const order = { restaurant_id, items: [{ menu_item_id: menu_item_ids[0] ?? '', quantity: 1 }] }
  await Promise.all(Array.from({ length: AT_ONCE_COUNT }, () => api.placeOrder(order)))
  await untilDrained(bench)
  return await pipelineLatency(bench, since)
}

export async function apiAtRate(bench: Bench): Promise<Figures> {
  await startIdle(bench)
  const { baseUrl } = bench.system.api
  const result = await openLoop({
    baseUrl,
    bodies: orderBodies(bench.menu),
    connections: 500,
    seconds: bench.seconds,
    rate: 1_000,
  })
  await untilDrained(bench)
  return { 'p50 ms': result.p50Ms, 'p99 ms': result.p99Ms, errors: result.errors }
}

/**
 * Measures the time between the commits of PLACED and PREPARING, in ms, of the orders placed since.
 */
async function pipelineLatency({ system }: Bench, since: Date): Promise<Figures> {
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
