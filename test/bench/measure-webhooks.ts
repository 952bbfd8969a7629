import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { runChecks } from '../../scripts/support/run-checks.ts'
import { addMenu } from './add-menu.ts'
import { ALL } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { OrderLoad } from './order-load.ts'
import { type Behaviour, WebhookReceiver } from './webhook-receiver.ts'

/** Placed, stock deducted, preparing, out for delivery, delivered. */
export const EVENTS_AN_ORDER = 5

const counts: Record<Behaviour, number> = { good: 14, slow: 3, failing: 2, gone: 1 }

/** Ten attempts of a delivery take at least 88 s: longer than anybody fails here. */
const RETRY_SECONDS = '2,4,8,16'
/** Part of the orders that are placed while two receivers fail, or as many as come in so much time. */
const FAILING_SHARE = 0.4
const MAX_FAILING_MS = 60_000
/** Part of the orders after which worker and dispatcher are killed. */
const KILL_SHARE = 0.6
/** What has not moved after so many looks, a minute of them, does not move at all. */
const STALL_COUNT = 600
const POLL_MS = 100
const PROGRESS_MS = 5_000
const PAUSE_RESOLUTION_MS = 10

export interface WebhookRun {
  orderCount: number
  ordersPerSecond: number
  onProgress: (line: string) => void
}

/** An event as the database has it. */
interface Committed {
  event_id: string
  /** by the commit of its transaction, in ms of the wall clock */
  at: number
}

export interface WebhookResult {
  receivers: WebhookReceiver[]
  events: Committed[]
  /** when those that failed for a while did so no more, and when worker and dispatcher were killed */
  mendedAt: number
  killedAt: number
  /** from the first order to the last event that a good one was sent */
  loadMs: number
  /** until the slow ones had caught up as well, once they were slow no more */
  wholeMs: number
  /** deliveries by behaviour of their receiver and state */
  states: { behaviour: Behaviour; state: string; count: number }[]
  /** the longest that this process was kept from noting what came: what is below it cannot be told */
  longestPauseMs: number
  /** what was lost, or breaks a promise, in a line each */
  wrongs: string[]
}

/**
 * Orders go through the whole system, placed by HTTP at random moments, and each of their events to every receiver. The first
 * receiver is the one that sends orders out and has them delivered, as it hears of them.
 */
export async function measureWebhooks({
  orderCount,
  ordersPerSecond,
  onProgress,
}: WebhookRun): Promise<WebhookResult> {
  const receivers: WebhookReceiver[] = []
  for (const [behaviour, count] of Object.entries(counts) as [Behaviour, number][])
    for (let number = 0; number < count; number++) receivers.push(await WebhookReceiver.start(behaviour))
  const of = (...those: Behaviour[]) => receivers.filter(({ behaviour }) => those.includes(behaviour))
  const system = await BenchSystem.create({
    WEBHOOK_ALLOW_PRIVATE: 'true',
    WEBHOOK_RETRY_SECONDS: RETRY_SECONDS,
  })
  let timer: NodeJS.Timeout | undefined
  try {
    const menu = await addMenu(system)
    for (const receiver of receivers) {
      const { secret } = await system.api.addWebhook({ url: receiver.url, description: receiver.behaviour })
      receiver.trust(secret)
    }
    for (const receiver of of('gone')) await receiver.stop()
    await system.run(ALL)

    const begunAt = Date.now()
    const pauses = monitorEventLoopDelay({ resolution: PAUSE_RESOLUTION_MS })
    pauses.enable()
    const run = new OrderLoad(system.api, menu)
    for (const first of receivers.slice(0, 1)) first.onEvent = event => run.moveOn(event)
    const mended = run
      .untilPlaced(Math.ceil(orderCount * FAILING_SHARE), MAX_FAILING_MS)
      .then(() => mendAll(of('failing')))
    const killed = run.untilPlaced(Math.ceil(orderCount * KILL_SHARE)).then(async () => {
      const at = Date.now()
      onProgress('kill -9 of worker and dispatcher')
      await Promise.all([system.kill('worker'), system.kill('dispatcher')])
      await system.run(ALL)
      return at
    })
    const placed = run.placeAll(orderCount, ordersPerSecond)
    const eventCount = orderCount * EVENTS_AN_ORDER
    const has = (those: WebhookReceiver[]) => () => those.every(({ arrivals }) => arrivals.size >= eventCount)
    const progress = () => receivers.reduce((sum, { arrivals }) => sum + arrivals.size, 0)
    const tell = () => onProgress(`${run.placed} orders placed, ${progress()} deliveries came`)
    timer = setInterval(tell, PROGRESS_MS)
    const [mendedAt, killedAt] = await Promise.all([mended, killed, placed])
    await untilStalled(has(of('good')), progress)
    const loadMs = Date.now() - begunAt
    onProgress('the good ones have everything; the others catch up')
    mendAll(of('slow'))
    await untilStalled(has(of('good', 'slow', 'failing')), progress)
    const isSettled = async () =>
      (await system.query(unsettledSql, [of('good', 'slow', 'failing').map(({ url }) => url)])).length === 0
    await untilStalled(isSettled, progress)
    const events = await system.query<Committed>(committedSql)
    return {
      receivers,
      events,
      mendedAt,
      killedAt,
      loadMs,
      wholeMs: Date.now() - begunAt,
      longestPauseMs: pauses.max / 1e6,
      states: await system.query(statesSql),
      wrongs: [...run.wrongs, ...(await whatIsLost(system, receivers, events, eventCount))],
    }
  } finally {
    clearInterval(timer)
    await system.destroy()
    for (const receiver of receivers) await receiver.stop()
  }
}

function mendAll(receivers: readonly WebhookReceiver[]): number {
  for (const receiver of receivers) receiver.mend()
  return Date.now()
}

/** Resolves when it is so, or when nothing moves any more: what is missing then is told by whoever counts. */
async function untilStalled(isSo: () => Promise<boolean> | boolean, progress: () => number): Promise<void> {
  let last = progress()
  for (let still = 0; still < STALL_COUNT && !(await isSo()); still++) {
    await delay(POLL_MS)
    const now = progress()
    if (now !== last) still = 0
    last = now
  }
}

async function whatIsLost(
  system: BenchSystem,
  receivers: readonly WebhookReceiver[],
  events: readonly Committed[],
  eventCount: number,
): Promise<string[]> {
  const wrongs = receivers.flatMap(({ behaviour, url, wrongs }) =>
    wrongs.map(wrong => `${behaviour} ${url}: ${wrong}`),
  )
  if (events.length !== eventCount)
    wrongs.push(`${events.length} events were committed, and ${eventCount} expected`)
  for (const { behaviour, url, arrivals } of receivers) {
    if (behaviour === 'gone') continue
    const missing = events.filter(({ event_id }) => !arrivals.has(event_id)).length
    if (missing > 0) wrongs.push(`${behaviour} ${url}: ${missing} events are missing`)
  }
  for (const { url, count } of await system.query<{ url: string; count: number }>(countSql))
    if (count !== events.length) wrongs.push(`${url}: ${count} deliveries of ${events.length} events`)
  const client = await system.db.connect()
  try {
    for (const { name, comment, rows } of await runChecks(client))
      if (rows.length > 0) wrongs.push(`ops.${name}: ${comment}: ${JSON.stringify(rows[0])}`)
  } finally {
    client.release()
  }
  return wrongs
}

const committedSql = `
  select event_id, (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8 as at
  from outbox_events
  where order_id is not null
  order by event_id
`

const unsettledSql = `
  select 1
  from webhook_deliveries
  join webhooks using (webhook_id)
  where url = any($1::text[])
    and state <> 'DELIVERED'
  limit 1
`

const statesSql = `
  select w.description as behaviour, d.state, count(*)::integer as count
  from webhook_deliveries as d
  join webhooks as w using (webhook_id)
  group by w.description, d.state
  order by w.description, d.state
`

const countSql = `
  select w.url, count(d.delivery_id)::integer as count
  from webhooks as w
  left join webhook_deliveries as d using (webhook_id)
  group by w.url
`
