import type { BatchObservableResult } from '@opentelemetry/api'
import type { Sql } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'
import { meter } from '../platform/meters.ts'
import { type Figures, readFigures } from './read-figures.ts'

/** Age up to which figures are reused, so that several scrapers cost no more than one. */
const FRESH_MS = 5_000
/** Time for the database to answer, after which the scrape continues without its figures. */
const TIMEOUT_MS = 2_000

const gauge = (name: string, description: string) =>
  meter.createObservableGauge(`comanda.${name}`, { description })

const gauges = {
  queueJobs: gauge('queue.jobs', 'Jobs of a queue by state'),
  queueDone: gauge('queue.done.per.minute', 'Jobs of a queue completed in the last minute'),
  queueOldest: gauge('queue.oldest.ready.seconds', 'Time since the oldest due job of a queue became due'),
  queueWait: gauge('queue.wait.p95.seconds', '95th percentile of the time from due to started'),
  queueRun: gauge('queue.run.p95.seconds', '95th percentile of the run time of jobs'),
  queuePaused: gauge('queue.paused', '1 while the queue is paused'),
  queueHeld: gauge('queue.held', '1 while events wait in the outbox because the queue is full'),
  deadLetters: gauge('dead.letters.open', 'Open dead letters of a queue'),
  deadLetterAge: gauge('dead.letters.oldest.seconds', 'Age of the oldest open dead letter'),
  pending: gauge('outbox.pending.events', 'Committed events that are not dispatched yet'),
  lag: gauge('outbox.lag.seconds', 'Age of the oldest pending event that is not held'),
  quarantined: gauge('outbox.quarantined.events', 'Events that cannot be dispatched'),
  stuck: gauge('stuck.orders', 'Orders that do not progress, by reason'),
  differing: gauge('stock.differing.items', 'Items whose stock differs from the sum of their ledger'),
  low: gauge('stock.low.items', 'Items at or below their low-stock threshold'),
  behind: gauge('projection.behind.seconds', 'Seconds by which a projection is behind the events'),
  failed: gauge('projection.failed.restaurants', 'Restaurants whose statistics failed and are set aside'),
  processes: gauge('processes', 'Processes by role and state'),
  webhooks: gauge('webhooks', 'Webhooks by status and by reason for being disabled'),
  disabled: gauge(
    'webhooks.disabled.last.day',
    'Webhooks disabled in the last day other than by their owner',
  ),
  failing: gauge('webhook.failing.seconds', 'How long the longest failing active webhook has been failing'),
  deliveries: gauge('webhook.pending.deliveries', 'Deliveries that are not finished, counted up to a limit'),
  deliveryAge: gauge(
    'webhook.oldest.pending.seconds',
    'Age of the oldest pending delivery to an active webhook',
  ),
  databaseUp: gauge('database.up', '1 when the database answered this scrape'),
}

/** Observes the figures of the views of `ops` as gauges. @returns a function that stops it */
export function measureOps(sql: Sql, log: Logger): () => void {
  let latest: { at: number; figures: Promise<Figures> } | undefined
  async function observe(result: BatchObservableResult): Promise<void> {
    const now = performance.now()
    if (!latest || now - latest.at > FRESH_MS) latest = { at: now, figures: readFigures(sql) }
    try {
      report(result, await withTimeout(latest.figures))
      result.observe(gauges.databaseUp, 1)
    } catch (error) {
      latest = undefined
      log.debug({ error: String(error) }, 'could not read figures for this scrape')
      result.observe(gauges.databaseUp, 0)
    }
  }
  meter.addBatchObservableCallback(observe, Object.values(gauges))
  return () => meter.removeBatchObservableCallback(observe, Object.values(gauges))
}

async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error('the database does not answer')), TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}

function report(result: BatchObservableResult, figures: Figures): void {
  const { queues, outbox, stuck, stock, processes, letters, projections, hooks } = figures
  for (const row of queues) {
    const { queue } = row
    for (const state of ['ready', 'deferred', 'retrying', 'active', 'failed'] as const)
      result.observe(gauges.queueJobs, row[state], { queue, state })
    if (row.done_last_minute !== null) result.observe(gauges.queueDone, row.done_last_minute, { queue })
    result.observe(gauges.queueOldest, Number(row.oldest_ready_seconds ?? 0), { queue })
    if (row.wait_p95_seconds !== null)
      result.observe(gauges.queueWait, Number(row.wait_p95_seconds), { queue })
    if (row.run_p95_seconds !== null) result.observe(gauges.queueRun, Number(row.run_p95_seconds), { queue })
    result.observe(gauges.queuePaused, row.paused_at === null ? 0 : 1, { queue })
    result.observe(gauges.queueHeld, row.held_at === null ? 0 : 1, { queue })
    result.observe(gauges.deadLetters, row.dead_letters, { queue })
  }
  result.observe(gauges.pending, Number(outbox?.['pending']))
  result.observe(gauges.lag, outbox?.['lag'] ?? 0)
  result.observe(gauges.quarantined, Number(outbox?.['quarantined']))
  result.observe(gauges.deadLetterAge, letters?.['oldest'] ?? 0)
  result.observe(gauges.differing, Number(stock?.['differing']))
  result.observe(gauges.low, Number(stock?.['low']))
  for (const { reason, orders } of stuck) result.observe(gauges.stuck, orders, { reason })
  for (const { projection, behind_seconds, failed } of projections) {
    result.observe(gauges.behind, Number(behind_seconds), { projection })
    result.observe(gauges.failed, failed, { projection })
  }
  for (const { role, state, count } of processes) result.observe(gauges.processes, count, { role, state })
  result.observe(gauges.webhooks, Number(hooks?.['active']), { status: 'ACTIVE' })
  for (const reason of ['BY_OWNER', 'FAILING', 'GONE'])
    result.observe(gauges.webhooks, Number(hooks?.[reason]), { status: 'DISABLED', reason })
  result.observe(gauges.disabled, Number(hooks?.['disabled']))
  result.observe(gauges.failing, hooks?.['failing'] ?? 0)
  result.observe(gauges.deliveries, Number(hooks?.['pending']))
  result.observe(gauges.deliveryAge, hooks?.['oldest'] ?? 0)
}
