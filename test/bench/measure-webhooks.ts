import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { addMenu } from './add-menu.ts'
import { ALL } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { type CommittedEvent, findWebhookFailures } from './find-webhook-failures.ts'
import { OrderLoad } from './order-load.ts'
import { type Behaviour, VerifyingReceiver } from './verifying-receiver.ts'

/** Placed, stock deducted, preparing, out for delivery, delivered. */
export const EVENTS_PER_ORDER = 5

const counts: Record<Behaviour, number> = { good: 14, slow: 3, failing: 2, gone: 1 }

/** Ten attempts of a delivery take at least 88 s: longer than any receiver fails here. */
const RETRY_SECONDS = '2,4,8,16'
/** Two receivers fail until this share of the orders is placed, but for a minute at most. */
const FAILING_SHARE = 0.4
const MAX_FAILING_MS = 60_000
/** Worker and dispatcher are killed when this share of the orders is placed. */
const KILL_SHARE = 0.6
/** Without progress for this many polls (a minute), the run gives up waiting. */
const STALL_COUNT = 600
const POLL_MS = 100
const PROGRESS_MS = 5_000
const PAUSE_RESOLUTION_MS = 10

export interface WebhookRun {
  orderCount: number
  ordersPerSecond: number
  onProgress: (line: string) => void
}

export interface WebhookResult {
  receivers: VerifyingReceiver[]
  events: CommittedEvent[]
  /** when the failing receivers were fixed, in ms since the epoch */
  fixedAt: number
  /** when worker and dispatcher were killed, in ms since the epoch */
  killedAt: number
  /** from the first order until the good receivers had all events */
  loadMs: number
  /** from the first order until the slow and failing receivers had all events, too */
  wholeMs: number
  /** number of deliveries by receiver behaviour and state */
  states: { behaviour: Behaviour; state: string; count: number }[]
  /** longest pause of this process's event loop: smaller lags are not measurable */
  longestPauseMs: number
  /** lost events and violated invariants, one line each */
  failures: string[]
}

/**
 * Places orders over HTTP at random moments, with every receiver subscribed to all of their events.
 * The first receiver moves the orders on as their events arrive.
 */
export async function measureWebhooks({
  orderCount,
  ordersPerSecond,
  onProgress,
}: WebhookRun): Promise<WebhookResult> {
  const receivers: VerifyingReceiver[] = []
  for (const [behaviour, count] of Object.entries(counts) as [Behaviour, number][])
    for (let number = 0; number < count; number++) receivers.push(await VerifyingReceiver.start(behaviour))
  const of = (...behaviours: Behaviour[]) =>
    receivers.filter(({ behaviour }) => behaviours.includes(behaviour))
  const system = await BenchSystem.create({
    env: { WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_RETRY_SECONDS: RETRY_SECONDS },
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

    const startedAt = Date.now()
    const pauses = monitorEventLoopDelay({ resolution: PAUSE_RESOLUTION_MS })
    pauses.enable()
    const load = new OrderLoad(system.api, menu)
    for (const first of receivers.slice(0, 1)) first.onEvent = event => load.moveOn(event)
    const fixed = load
      .untilPlaced(Math.ceil(orderCount * FAILING_SHARE), MAX_FAILING_MS)
      .then(() => fixAll(of('failing')))
    const killed = load.untilPlaced(Math.ceil(orderCount * KILL_SHARE)).then(async () => {
      const at = Date.now()
      onProgress('kill -9 of worker and dispatcher')
      await Promise.all([system.kill('worker'), system.kill('dispatcher')])
      await system.run(ALL)
      return at
    })
    const placed = load.placeAll(orderCount, ordersPerSecond)
    const eventCount = orderCount * EVENTS_PER_ORDER
    const haveAll = (wanted: VerifyingReceiver[]) => () =>
      wanted.every(({ arrivals }) => arrivals.size >= eventCount)
    const progress = () => receivers.reduce((sum, { arrivals }) => sum + arrivals.size, 0)
    const hasFailed = () => load.failures.length > 0
    const report = () => onProgress(`${load.placed} orders placed, ${progress()} deliveries received`)
    timer = setInterval(report, PROGRESS_MS)
    const [fixedAt, killedAt] = await Promise.all([fixed, killed, placed])
    await untilStalled(haveAll(of('good')), progress, hasFailed)
    const loadMs = Date.now() - startedAt
    onProgress('the good receivers have all events; the others catch up')
    fixAll(of('slow'))
    await untilStalled(haveAll(of('good', 'slow', 'failing')), progress, hasFailed)
    const isDelivered = async () =>
      (await system.query(undeliveredSql, [of('good', 'slow', 'failing').map(({ url }) => url)])).length === 0
    await untilStalled(isDelivered, progress, hasFailed)
    const events = await system.query<CommittedEvent>(committedSql)
    return {
      receivers,
      events,
      fixedAt,
      killedAt,
      loadMs,
      wholeMs: Date.now() - startedAt,
      longestPauseMs: pauses.max / 1e6,
      states: await system.query(statesSql),
      failures: [...load.failures, ...(await findWebhookFailures(system, receivers, events, eventCount))],
    }
  } finally {
    clearInterval(timer)
    await system.destroy()
    for (const receiver of receivers) await receiver.stop()
  }
}

function fixAll(receivers: readonly VerifyingReceiver[]): number {
  for (const receiver of receivers) receiver.fix()
  return Date.now()
}

/**
 * Resolves when the condition is true, when a call of the load has failed, or without progress for
 * a minute. The comparison then finds what is missing.
 */
async function untilStalled(
  isTrue: () => Promise<boolean> | boolean,
  progress: () => number,
  hasFailed: () => boolean,
): Promise<void> {
  let last = progress()
  for (let polls = 0; polls < STALL_COUNT && !hasFailed() && !(await isTrue()); polls++) {
    await delay(POLL_MS)
    const now = progress()
    if (now !== last) polls = 0
    last = now
  }
}

const committedSql = `
  select event_id, (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8 as at
  from outbox_events
  where order_id is not null
  order by event_id
`

const undeliveredSql = `
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
