import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Latencies } from '../../scripts/support/latencies.ts'
import { poissonArrivals, runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { addMenu } from './add-menu.ts'
import { ALL, untilDrained } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { EventSource } from './event-source.ts'
import type { Menu } from './limit.ts'

/** One stream of a restaurant for so many of orders: a screen in the kitchen, and the customers who wait. */
const ORDERS_A_RESTAURANT_STREAM = 3
const STREAMS_A_RESTAURANT = 10
/** Placed, deducted, preparing. */
const EVENTS_OF_A_NEW_ORDER = 3
const CALLS_AT_ONCE = 50
const ARRIVALS_SEED = 1
/** Longest that an event may be on its way, before it counts as lost. */
const ARRIVAL_TIMEOUT_MS = 30_000
const POLL_MS = 50
const PAUSE_RESOLUTION_MS = 10

export interface StreamRun {
  streamCount: number
  /** events that are committed a second, on average */
  eventsPerSecond: number
  seconds: number
  onProgress: (line: string) => void
}

export interface StreamResult {
  orderStreams: number
  restaurantStreams: number
  events: number
  /** from the commit of an event to its coming, at every client that it was for */
  lags: Latencies
  heartbeats: number
  /** resident memory of the API before and after the streams were opened, and at the end */
  rssMb: { before: number; open: number; end: number }
  /** the longest that this process was kept from noting what came */
  longestPauseMs: number
  /** what was lost, repeated or broken off, in a line each */
  wrongs: string[]
}

interface Committed {
  event_id: string
  order_id: string
  restaurant_id: string
  at: number
}

/**
 * Streams of restaurants and of orders are held open on one API process, and orders placed and moved on by HTTP: half of the
 * calls place orders, the others move on those that are followed.
 */
export async function measureStreams(run: StreamRun): Promise<StreamResult> {
  const { streamCount, eventsPerSecond, seconds, onProgress } = run
  const system = await BenchSystem.create({ STREAM_COUNT: String(streamCount) })
  /** by what each follows */
  const sources = new Map<EventSource, string>()
  try {
    const restaurantStreams = Math.max(1, Math.round(streamCount / (ORDERS_A_RESTAURANT_STREAM + 1)))
    const menus: Menu[] = []
    for (let count = 0; count < restaurantStreams / STREAMS_A_RESTAURANT; count++)
      menus.push(await addMenu(system, 1))
    await system.run(ALL)
    const followed = await placeAll(system, menus, streamCount - restaurantStreams)
    await untilDrained({ system })
    const pid = system.pidOf('api') ?? 0
    const before = rssMb(pid)
    const { baseUrl } = system.api
    const paths = [
      ...Array.from(
        { length: restaurantStreams },
        (_, index) => `restaurants/${menus[index % menus.length]?.restaurant_id}`,
      ),
      ...followed.map(order => `orders/${order}`),
    ]
    await inTurn(paths, async path => {
      sources.set(await EventSource.open(`${baseUrl}/api/v1/${path}/stream`), path)
    })
    const open = rssMb(pid)
    onProgress(`${sources.size} streams are open; ${eventsPerSecond} events a second for ${seconds} s`)

    const [mark] = await system.query<{ xid: string }>('select max(xid)::text as xid from outbox_events')
    const pauses = monitorEventLoopDelay({ resolution: PAUSE_RESOLUTION_MS })
    pauses.enable()
    const wrongs = await makeEvents(system, menus, followed, run)
    await untilDrained({ system })
    const events = await system.query<Committed>(committedSql, [mark?.xid ?? '0'])
    const expected = expectedBy(events)
    const total = [...sources.values()].reduce((sum, path) => sum + (expected.get(path)?.length ?? 0), 0)
    const sumOf = (figure: (source: EventSource) => number) =>
      [...sources.keys()].reduce((sum, source) => sum + figure(source), 0)
    const deadline = Date.now() + ARRIVAL_TIMEOUT_MS
    while (sumOf(({ arrivals }) => arrivals.size) < total && Date.now() < deadline) await delay(POLL_MS)
    const lags = new Latencies()
    for (const [source, path] of sources) {
      const those = expected.get(path) ?? []
      for (const { event_id, at } of those) {
        const arrivedAt = source.arrivals.get(event_id)
        if (arrivedAt === undefined) wrongs.push(`${path}: event ${event_id} did not come`)
        else lags.record(arrivedAt - at)
      }
      if (source.arrivals.size > those.length) wrongs.push(`${path}: events came that are not its own`)
      if (source.repeated > 0) wrongs.push(`${path}: ${source.repeated} events came again`)
      if (source.isBroken) wrongs.push(`${path}: broke off`)
    }
    return {
      orderStreams: followed.length,
      restaurantStreams,
      events: events.length,
      lags,
      heartbeats: sumOf(({ heartbeats }) => heartbeats),
      rssMb: { before, open, end: rssMb(pid) },
      longestPauseMs: pauses.max / 1e6,
      wrongs,
    }
  } finally {
    for (const source of sources.keys()) source.close()
    await system.destroy()
  }
}

/** @returns calls that failed, in a line each */
async function makeEvents(
  system: BenchSystem,
  menus: readonly Menu[],
  followed: readonly string[],
  { eventsPerSecond, seconds }: StreamRun,
): Promise<string[]> {
  const wrongs: string[] = []
  const underWay: Promise<unknown>[] = []
  const random = new SeededRandom(ARRIVALS_SEED, 'arrivals')
  const perSecond = (2 * eventsPerSecond) / (EVENTS_OF_A_NEW_ORDER + 1)
  let calls = 0
  let moves = 0
  await runArrivals(poissonArrivals(random, perSecond, seconds * 1_000), new AbortController().signal, () => {
    const order = followed[moves % followed.length] ?? ''
    const isMove = calls++ % 2 === 1 && moves < 2 * followed.length
    const status = moves < followed.length ? 'OUT_FOR_DELIVERY' : 'DELIVERED'
    const call = isMove ? system.api.changeStatus(order, status) : placeOne(system, random.pick(menus))
    if (isMove) moves++
    underWay.push(call.catch((error: unknown) => wrongs.push(String(error))))
  })
  await Promise.all(underWay)
  return wrongs
}

async function placeAll(system: BenchSystem, menus: readonly Menu[], count: number): Promise<string[]> {
  const orders: string[] = []
  const turns = Array.from({ length: count }, (_, index) => menus[index % menus.length])
  await inTurn(turns, async menu => {
    if (menu) orders.push(await placeOne(system, menu))
  })
  return orders
}

async function placeOne(system: BenchSystem, { restaurant_id, menu_item_ids }: Menu): Promise<string> {
  const items = [{ menu_item_id: menu_item_ids[0] ?? '', quantity: 1 }]
  return (await system.api.placeOrder({ restaurant_id, items })).order_id
}

/** All of them, so many at a time. */
async function inTurn<Each>(all: readonly Each[], work: (each: Each) => Promise<void>): Promise<void> {
  for (let done = 0; done < all.length; done += CALLS_AT_ONCE)
    await Promise.all(all.slice(done, done + CALLS_AT_ONCE).map(work))
}

/** Which events each stream has to show. */
function expectedBy(events: readonly Committed[]): Map<string, Committed[]> {
  return new Map([
    ...Map.groupBy(events, ({ order_id }) => `orders/${order_id}`),
    ...Map.groupBy(events, ({ restaurant_id }) => `restaurants/${restaurant_id}`),
  ])
}

function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

const committedSql = `
  select event_id, order_id, restaurant_id, (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8 as at
  from outbox_events
  where xid > $1::text::xid8
    and order_id is not null
`
