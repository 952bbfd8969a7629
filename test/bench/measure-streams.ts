import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Latencies } from '../../scripts/support/latencies.ts'
import type { Menu } from '../support/pipeline.ts'
import { addMenu } from './add-menu.ts'
import { ALL, untilDrained } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { EventSource } from './event-source.ts'
import { processUse } from './process-use.ts'
import { inBatches, makeEvents, placeOrders } from './stream-load.ts'

/**
 * For each stream of a restaurant (a kitchen screen), there are three streams of orders
 * (customers).
 */
const ORDER_STREAMS_PER_RESTAURANT_STREAM = 3
const STREAMS_PER_RESTAURANT = 10
/** After this time without it, an event counts as lost. */
const ARRIVAL_TIMEOUT_MS = 30_000
const POLL_MS = 50
const PAUSE_RESOLUTION_MS = 10

export interface StreamRun {
  streamCount: number
  /** average rate of committed events */
  eventsPerSecond: number
  seconds: number
  onProgress: (line: string) => void
}

export interface StreamResult {
  orderStreams: number
  restaurantStreams: number
  events: number
  /** from the commit of an event to its arrival, for every client that it was sent to */
  lags: Latencies
  heartbeats: number
  /** resident memory of the API before and after the streams were opened, and at the end */
  rssMb: { before: number; open: number; end: number }
  /** longest pause of this process's event loop: smaller lags are not measurable */
  longestPauseMs: number
  /** lost and repeated events, broken streams and failed calls, one line each */
  failures: string[]
}

interface CommittedEvent {
  event_id: string
  order_id: string
  restaurant_id: string
  /** commit time, in ms since the epoch */
  at: number
  /** Streams of the order end after the event. */
  is_final: boolean
}

/**
 * Holds streams of restaurants and orders open on one API process, while orders are placed and
 * moved on over HTTP: half of the calls place orders, the others move on the orders of the streams.
 */
export async function measureStreams(run: StreamRun): Promise<StreamResult> {
  const { streamCount, eventsPerSecond, seconds, onProgress } = run
  const system = await BenchSystem.create({ env: { STREAM_COUNT: String(streamCount) } })
  /** each stream, with the path that it is open on */
  const sources = new Map<EventSource, string>()
  try {
    const restaurantStreams = Math.max(1, Math.round(streamCount / (ORDER_STREAMS_PER_RESTAURANT_STREAM + 1)))
    const menus: Menu[] = []
    for (let count = 0; count < restaurantStreams / STREAMS_PER_RESTAURANT; count++)
      menus.push(await addMenu(system, 1))
    await system.run(ALL)
    const orders = await placeOrders(system.api, menus, streamCount - restaurantStreams)
    await untilDrained({ system })
    const rssMb = () => processUse(system.pidOf('api') ?? 0)?.rssMb ?? Number.NaN
    const before = rssMb()
    const { baseUrl } = system.api
    const paths = [
      ...Array.from(
        { length: restaurantStreams },
        (_, index) => `restaurants/${menus[index % menus.length]?.restaurant_id}`,
      ),
      ...orders.map(order => `orders/${order}`),
    ]
    await inBatches(paths, async path => {
      sources.set(await EventSource.open(`${baseUrl}/api/v1/${path}/stream`), path)
    })
    const open = rssMb()
    onProgress(`${sources.size} streams are open; ${eventsPerSecond} events per second for ${seconds} s`)

    const [last] = await system.query<{ xid: string }>('select max(xid)::text as xid from outbox_events')
    const pauses = monitorEventLoopDelay({ resolution: PAUSE_RESOLUTION_MS })
    pauses.enable()
    const failures = await makeEvents(system.api, menus, orders, run)
    await untilDrained({ system })
    const events = await system.query<CommittedEvent>(committedSql, [last?.xid ?? '0'])
    const lags = await compareArrivals(sources, events, failures)
    return {
      orderStreams: orders.length,
      restaurantStreams,
      events: events.length,
      lags,
      heartbeats: [...sources.keys()].reduce((sum, { heartbeats }) => sum + heartbeats, 0),
      rssMb: { before, open, end: rssMb() },
      longestPauseMs: pauses.max / 1e6,
      failures,
    }
  } finally {
    for (const source of sources.keys()) source.close()
    await system.destroy()
  }
}

/**
 * Waits until every stream has its events, and adds each difference to `failures`.
 * @returns the lags
 */
async function compareArrivals(
  sources: ReadonlyMap<EventSource, string>,
  events: readonly CommittedEvent[],
  failures: string[],
): Promise<Latencies> {
  const expected = new Map([
    ...Map.groupBy(events, ({ order_id }) => `orders/${order_id}`),
    ...Map.groupBy(events, ({ restaurant_id }) => `restaurants/${restaurant_id}`),
  ])
  const total = [...sources.values()].reduce((sum, path) => sum + (expected.get(path)?.length ?? 0), 0)
  const arrived = () => [...sources.keys()].reduce((sum, { arrivals }) => sum + arrivals.size, 0)
  const deadline = Date.now() + ARRIVAL_TIMEOUT_MS
  while (arrived() < total && Date.now() < deadline) await delay(POLL_MS)
  const lags = new Latencies()
  for (const [source, path] of sources) {
    const expectedEvents = expected.get(path) ?? []
    for (const { event_id, at } of expectedEvents) {
      const arrivedAt = source.arrivals.get(event_id)
      if (arrivedAt === undefined) failures.push(`${path}: event ${event_id} did not arrive`)
      else lags.record(arrivedAt - at)
    }
    if (source.arrivals.size > expectedEvents.length)
      failures.push(`${path}: received events of another order or restaurant`)
    if (source.repeated > 0) failures.push(`${path}: ${source.repeated} events arrived again`)
    const isOver = path.startsWith('orders/') && expectedEvents.some(({ is_final }) => is_final)
    if (source.isBroken && !isOver) failures.push(`${path}: the stream broke off`)
  }
  return lags
}

const committedSql = `
  select event_id, order_id, restaurant_id, (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8 as at,
    coalesce(payload ->> 'status' in ('DELIVERED', 'CANCELLED'), false) as is_final
  from outbox_events
  where xid > $1::text::xid8
    and order_id is not null
`
