import type { PgBoss } from 'pg-boss'
import { isRetryable, isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import { DELIVERY_QUEUE, type QueueName } from '../jobs/catalogue.ts'
import { failpoint } from '../platform/failpoints.ts'
import type { Logger } from '../platform/log.ts'
import { appendDispatched } from './append-event.ts'
import { checkEvent, type EventOf } from './events.ts'
import {
  deliveryJobs,
  insertDeliveryJobs,
  type MatchedDelivery,
  matchSubscriptionsSql,
} from './match-subscriptions.ts'
import { countDispatched } from './outbox-metrics.ts'
import { routing } from './routing.ts'
import { traceEvents, traceFields } from './trace-events.ts'

export interface DispatchedBatch {
  /** events taken from the outbox, quarantined ones included; 0 means idle */
  claimed: number
  quarantined: number
}

/**
 * Moves at most `limit` committed events to their queues, oldest first. Several dispatchers share the work: each takes
 * what no other has taken.
 * Atomic: an event is both queued and marked dispatched, or neither. An event that cannot be parsed, routed or queued
 * is quarantined with its reason and holds up nothing.
 * @param limit events a call, 1..500
 */
export async function dispatchBatch(
  tx: Tx,
  boss: PgBoss,
  limit: number,
  log: Logger,
): Promise<DispatchedBatch> {
  const { claimed, matched } = await claim(tx, limit)
  failpoint('dispatcher.claimed')
  const { sound: routable, unsound } = sortOut(claimed.sort((a, b) => (a.event_id < b.event_id ? -1 : 1)))
  const traced = traceEvents('dispatch', 'PRODUCER', routable)
  const sound = traced.events
  try {
    await insertJobsIsolated(tx, boss, sound, matched)
  } catch (error) {
    if (isUnavailable(error) || isRetryable(error)) throw error
    for (const event of sound.splice(0)) {
      const failure = await failureOf(() => insertJobsIsolated(tx, boss, [event], matched))
      if (failure) unsound.push({ event, error: failure })
      else sound.push(event)
    }
  }
  failpoint('dispatcher.jobs-inserted')
  for (const { event, error } of unsound)
    await tx.execute(quarantineSql, [event.event_id, event.restaurant_id, error])
  tx.afterCommit(() => {
    traced.end(id => unsound.find(({ event }) => event.event_id === id)?.error)
    logBatch(log, sound, unsound)
    failpoint('dispatcher.after-commit')
  })
  failpoint('dispatcher.before-commit')
  return { claimed: claimed.length, quarantined: unsound.length }
}

/**
 * Appends events and queues their jobs in one go: the promise of the dispatcher, without the hop, for transactions
 * that are on the slow path already. Left under way.
 */
export function publishEvents(tx: Tx, boss: PgBoss, events: readonly EventOf[], log: Logger): void {
  if (events.length === 0) return
  tx.leaveUnderWay(
    appendDispatched(tx, events).then(matched => insertDeliveryJobs(tx, boss, deliveryJobs(matched, events))),
  )
  tx.leaveUnderWay(insertJobs(tx, boss, events))
  tx.afterCommit(() => {
    countDispatched('worker', events.length)
    logBatch(log, events, [])
  })
}

/**
 * One job an event and route. The job's id is the event's: inserted again, it is the same job. pg-boss notifies the
 * queue's workers when the transaction commits.
 */
async function insertJobs(tx: Tx, boss: PgBoss, events: readonly EventOf[]): Promise<void> {
  const byQueue = new Map<QueueName, EventOf[]>()
  for (const event of events) {
    for (const queue of queuesOf(event.type)) {
      const its = byQueue.get(queue)
      if (its) its.push(event)
      else byQueue.set(queue, [event])
    }
  }
  await Promise.all(
    Array.from(byQueue, ([queue, its]) => {
      const jobs = its.map(event => ({ id: event.event_id, data: event }))
      return boss.insert(queue, jobs, { db: tx })
    }),
  )
}

async function insertJobsIsolated(
  tx: Tx,
  boss: PgBoss,
  events: readonly EventOf[],
  matched: readonly MatchedDelivery[],
): Promise<void> {
  if (events.length === 0) return
  await tx.savepoint(async () => {
    await Promise.all([
      insertJobs(tx, boss, events),
      insertDeliveryJobs(tx, boss, deliveryJobs(matched, events)),
    ])
  })
}

/** Events that were taken from the outbox, and which subscription hears of which. */
async function claim(tx: Tx, limit: number): Promise<{ claimed: EventOf[]; matched: MatchedDelivery[] }> {
  const rows = await tx.query<EventOf & { delivery_id: string | null; webhook_id: string | null }>(claimSql, [
    limit,
  ])
  const claimed: EventOf[] = []
  const matched: MatchedDelivery[] = []
  for (const { delivery_id, webhook_id, ...event } of rows) {
    if (delivery_id === null || webhook_id === null) claimed.push(event)
    else matched.push({ delivery_id, webhook_id, event_id: event.event_id })
  }
  return { claimed, matched }
}

type Unsound = { event: EventOf; error: string }

function sortOut(events: EventOf[]): { sound: EventOf[]; unsound: Unsound[] } {
  const sound: EventOf[] = []
  const unsound: Unsound[] = []
  for (const event of events) {
    try {
      checkEvent(event)
      sound.push(event)
    } catch (error) {
      unsound.push({ event, error: String(error) })
    }
  }
  return { sound, unsound }
}

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (isUnavailable(error) || isRetryable(error)) throw error
    return String(error)
  }
}

function logBatch(log: Logger, sound: readonly EventOf[], unsound: readonly Unsound[]): void {
  for (const { event_id, type, order_id, trace_context } of log.isLevelEnabled('info') ? sound : []) {
    const jobs = isRouted(type) ? queuesOf(type) : []
    log.info({ event_id, order_id, ...traceFields(trace_context), jobs }, `dispatched ${type}`)
  }
  for (const { event, error } of unsound) {
    const { event_id, order_id, trace_context, type } = event
    log.error({ event_id, order_id, ...traceFields(trace_context), error }, `quarantined ${type}`)
  }
}

/** Where an event makes one job. */
function queuesOf(type: keyof typeof routing): readonly QueueName[] {
  return eventRoutes[type]
}

function isRouted(type: string): type is keyof typeof routing {
  return Object.hasOwn(routing, type)
}

const eventRoutes = Object.fromEntries(
  Object.entries(routing).map(([type, queues]) => [type, queues.filter(queue => queue !== DELIVERY_QUEUE)]),
) as Record<keyof typeof routing, QueueName[]>

/**
 * Claims, marks and matches at once: that stands only if the jobs are inserted before the commit. Its rows are the events, and
 * then the deliveries, which have an event's id and no type.
 */
const claimSql = `
  with claimed as (
    select event_id
    from outbox_events
    where dispatched_at is null
      and quarantined_at is null
    order by event_id
    limit $1
    for update skip locked
  ),
  marked as (
    update outbox_events
    set dispatched_at = clock_timestamp(), attempts = attempts + 1
    where event_id = any(array(select event_id from claimed))
    returning event_id, restaurant_id, type, order_id, payload, trace_context
  ),
  matched as (
    ${matchSubscriptionsSql('marked')}
  )
  select event_id, restaurant_id, type, order_id, payload, trace_context, null::uuid as delivery_id, null::uuid as webhook_id
  from marked
  union all
  select event_id, null, null, null, null, null, delivery_id, webhook_id
  from matched
`

/** What cannot be dispatched is not delivered either. */
const quarantineSql = `
  with undelivered as (
    delete from webhook_deliveries
    where event_id = $1
  )
  update outbox_events
  set dispatched_at = null, quarantined_at = clock_timestamp(), error = $3
  where event_id = $1
    and restaurant_id = $2
`
