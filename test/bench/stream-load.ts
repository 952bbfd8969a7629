import type { Api } from '../../scripts/support/api.ts'
import { poissonArrivals, runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { Menu } from '../support/pipeline.ts'
import type { StreamRun } from './measure-streams.ts'

/** An order that becomes PREPARING has three events: placed, stock deducted, preparing. */
const EVENTS_PER_NEW_ORDER = 3
const CONCURRENT_CALL_COUNT = 50
const ARRIVALS_SEED = 1

/** Places orders and moves `orders` on, at random moments. @returns failed calls, one line each */
export async function makeEvents(
  api: Api,
  menus: readonly Menu[],
  orders: readonly string[],
  { eventsPerSecond, seconds }: StreamRun,
): Promise<string[]> {
  const failures: string[] = []
  const pending: Promise<unknown>[] = []
  const random = new SeededRandom(ARRIVALS_SEED, 'arrivals')
  const perSecond = (2 * eventsPerSecond) / (EVENTS_PER_NEW_ORDER + 1)
  let calls = 0
  let moves = 0
  await runArrivals(poissonArrivals(random, perSecond, seconds * 1_000), new AbortController().signal, () => {
    const order = orders[moves % orders.length] ?? ''
    const isMove = calls++ % 2 === 1 && moves < 2 * orders.length
    const status = moves < orders.length ? 'OUT_FOR_DELIVERY' : 'DELIVERED'
    const call = isMove ? api.changeStatus(order, status) : placeOrder(api, random.pick(menus))
    if (isMove) moves++
    pending.push(call.catch((error: unknown) => failures.push(String(error))))
  })
  await Promise.all(pending)
  return failures
}

/** Places `count` orders, over all menus in rotation. @returns the ids */
export async function placeOrders(api: Api, menus: readonly Menu[], count: number): Promise<string[]> {
  const orders: string[] = []
  const menuOfEach = Array.from({ length: count }, (_, index) => menus[index % menus.length])
  await inBatches(menuOfEach, async menu => {
    if (menu) orders.push(await placeOrder(api, menu))
  })
  return orders
}

async function placeOrder(api: Api, { restaurant_id, menu_item_ids }: Menu): Promise<string> {
  const items = [{ menu_item_id: menu_item_ids[0] ?? '', quantity: 1 }]
  return (await api.placeOrder({ restaurant_id, items })).order_id
}

/** Calls `work` for every value, 50 at a time. */
export async function inBatches<Value>(
  values: readonly Value[],
  work: (value: Value) => Promise<void>,
): Promise<void> {
  for (let done = 0; done < values.length; done += CONCURRENT_CALL_COUNT)
    await Promise.all(values.slice(done, done + CONCURRENT_CALL_COUNT).map(work))
}
