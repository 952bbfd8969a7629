import type { BatchObservableResult } from '@opentelemetry/api'
import type { Sql } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'
import { meter } from '../platform/meters.ts'

/** A scrape gets figures at most this old, so that several scrapers cost no more than one. */
const FRESH_MS = 5_000
/** A database that does not answer must not hold up the figures of the process itself. */
const TIMEOUT_MS = 2_000

const gauge = (name: string, description: string) =>
  meter.createObservableGauge(`comanda.${name}`, { description })

const gauges = {
  queueJobs: gauge('queue.jobs', 'Jobs of a queue, by state'),
  queueDone: gauge('queue.done.per.minute', 'Jobs of a queue completed in the last minute'),
  queueOldest: gauge('queue.oldest.ready.seconds', 'How long the oldest job has waited that could be worked'),
  queueWait: gauge('queue.wait.p95.seconds', '95 of 100 jobs were begun within this time of being due'),
  queueRun: gauge('queue.run.p95.seconds', '95 of 100 jobs ran this long at most'),
  queuePaused: gauge('queue.paused', '1 while operators have the queue paused'),
  deadLetters: gauge('dead.letters.open', 'Dead letters that nobody has decided on'),
  deadLetterAge: gauge('dead.letters.oldest.seconds', 'How long the oldest of them has been open'),
  pending: gauge('outbox.pending.events', 'Committed events that wait for a dispatcher'),
  lag: gauge('outbox.lag.seconds', 'How long the oldest of them has waited'),
  quarantined: gauge('outbox.quarantined.events', 'Events that could not be dispatched'),
  stuck: gauge('stuck.orders', 'Orders that do not get on, by reason'),
  differing: gauge('stock.differing.items', 'Items whose stock is not the sum of their ledger'),
  low: gauge('stock.low.items', 'Items at or below their threshold'),
  behind: gauge('projection.behind.seconds', 'Up to how long ago events have been counted'),
  processes: gauge('processes', 'Processes by role and state'),
  webhooks: gauge('webhooks', 'Webhooks, by status and by what disabled them'),
  disabled: gauge('webhooks.disabled.last.day', 'Webhooks disabled in the last day, not by their owner'),
  failing: gauge('webhook.failing.seconds', 'How long the active webhook has failed that has failed longest'),
  deliveries: gauge('webhook.pending.deliveries', 'Deliveries that are not settled; counted up to a bound'),
  delivery: gauge('webhook.oldest.pending.seconds', 'How long the oldest of active webhooks has waited'),
  answered: gauge('database.up', '1 when the database answered this scrape'),
}

interface QueueRow {
  queue: string
  paused_at: Date | null
  ready: number
  deferred: number
  retrying: number
  active: number
  failed: number
  done_last_minute: number
  oldest_ready_seconds: string | null
  wait_p95_seconds: string | null
  run_p95_seconds: string | null
  dead_letters: number
}

type Counts = Record<string, number | null>

/** What the views of `ops` say, as gauges of whoever can ask the database. @returns ends it */
export function measureOps(sql: Sql, log: Logger): () => void {
  let seen: { at: number; figures: Promise<Figures> } | undefined
  async function observe(result: BatchObservableResult): Promise<void> {
    const now = performance.now()
    if (!seen || now - seen.at > FRESH_MS) seen = { at: now, figures: readFigures(sql) }
    try {
      report(result, await inTime(seen.figures))
      result.observe(gauges.answered, 1)
    } catch (error) {
      seen = undefined
      log.debug({ error: String(error) }, 'no figures of the database for this scrape')
      result.observe(gauges.answered, 0)
    }
  }
  meter.addBatchObservableCallback(observe, Object.values(gauges))
  return () => meter.removeBatchObservableCallback(observe, Object.values(gauges))
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error('the database does not answer')), TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

type Figures = Awaited<ReturnType<typeof readFigures>>

async function readFigures(sql: Sql) {
  const [queues, [outbox], stuck, [stock], processes, [letters], projections, [hooks]] = await Promise.all([
    sql.query<QueueRow>('select * from ops.queues'),
    sql.query<Counts>('select pending, oldest_pending_seconds as lag, quarantined from ops.outbox'),
    sql.query<{ reason: string; orders: number }>(
      'select reason, count(*)::integer as orders from ops.stuck_orders group by reason',
    ),
    sql.query<Counts>(stockSql),
    sql.query<{ role: string; state: string; count: number }>(
      'select role, state, count(*)::integer as count from ops.workers group by role, state',
    ),
    sql.query<Counts>(lettersSql),
    sql.query<{ projection: string; behind_seconds: string }>(
      'select projection, behind_seconds from ops.projections',
    ),
    sql.query<Counts>(hooksSql),
  ])
  return { queues, outbox, stuck, stock, processes, letters, projections, hooks }
}

function report(result: BatchObservableResult, figures: Figures): void {
  const { queues, outbox, stuck, stock, processes, letters, projections, hooks } = figures
  for (const row of queues) {
    const { queue } = row
    for (const state of ['ready', 'deferred', 'retrying', 'active', 'failed'] as const)
      result.observe(gauges.queueJobs, row[state], { queue, state })
    result.observe(gauges.queueDone, row.done_last_minute, { queue })
    result.observe(gauges.queueOldest, Number(row.oldest_ready_seconds ?? 0), { queue })
    if (row.wait_p95_seconds !== null)
      result.observe(gauges.queueWait, Number(row.wait_p95_seconds), { queue })
    if (row.run_p95_seconds !== null) result.observe(gauges.queueRun, Number(row.run_p95_seconds), { queue })
    result.observe(gauges.queuePaused, row.paused_at === null ? 0 : 1, { queue })
    result.observe(gauges.deadLetters, row.dead_letters, { queue })
  }
  result.observe(gauges.pending, Number(outbox?.['pending']))
  result.observe(gauges.lag, outbox?.['lag'] ?? 0)
  result.observe(gauges.quarantined, Number(outbox?.['quarantined']))
  result.observe(gauges.deadLetterAge, letters?.['oldest'] ?? 0)
  result.observe(gauges.differing, Number(stock?.['differing']))
  result.observe(gauges.low, Number(stock?.['low']))
  for (const { reason, orders } of stuck) result.observe(gauges.stuck, orders, { reason })
  for (const { projection, behind_seconds } of projections)
    result.observe(gauges.behind, Number(behind_seconds), { projection })
  for (const { role, state, count } of processes) result.observe(gauges.processes, count, { role, state })
  result.observe(gauges.webhooks, Number(hooks?.['active']), { status: 'ACTIVE' })
  for (const reason of ['BY_OWNER', 'FAILING', 'GONE'])
    result.observe(gauges.webhooks, Number(hooks?.[reason]), { status: 'DISABLED', reason })
  result.observe(gauges.disabled, Number(hooks?.['disabled']))
  result.observe(gauges.failing, hooks?.['failing'] ?? 0)
  result.observe(gauges.deliveries, Number(hooks?.['pending']))
  result.observe(gauges.delivery, hooks?.['oldest'] ?? 0)
}

const stockSql = `
  select (count(*) filter (where on_hand <> ledger_qty))::integer as differing, (count(*) filter (where low))::integer as low
  from ops.stock
`

const lettersSql = `
  select extract(epoch from now() - min(died_at)) as oldest
  from ops.dead_letters
  where fate = 'OPEN'
`

const hooksSql = `
  select (count(*) filter (where status = 'ACTIVE'))::integer as active,
    (count(*) filter (where disabled_reason = 'BY_OWNER'))::integer as "BY_OWNER",
    (count(*) filter (where disabled_reason = 'FAILING'))::integer as "FAILING",
    (count(*) filter (where disabled_reason = 'GONE'))::integer as "GONE",
    (count(*) filter (where disabled_reason <> 'BY_OWNER' and disabled_at > now() - interval '1 day'))::integer as disabled,
    max(extract(epoch from now() - failing_since)::float8) filter (where status = 'ACTIVE') as failing,
    coalesce(sum(pending), 0)::integer as pending,
    max(oldest_pending_seconds::float8) filter (where status = 'ACTIVE') as oldest
  from ops.webhooks
`
