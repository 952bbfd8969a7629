import type { PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'
import { isEventType } from '../events/catalogue.ts'
import type { EventOf } from '../events/event.ts'
import { traceFields } from '../events/trace-events.ts'
import { insertOrRefuse, JobsRefused } from '../jobs/insert-or-refuse.ts'
import type { QueueName } from '../jobs/queues.ts'
import type { Logger } from '../platform/log.ts'
import type { RollingCounter } from '../platform/rolling-counter.ts'
import { appendEvents, appendEventsSql, eventColumns } from './append-event.ts'
import type { FanOut, FanOutTarget } from './fan-out.ts'
import { countDispatched } from './outbox-metrics.ts'
import type { QueueBacklog } from './queue-backlog.ts'
import { type Route, routesOf, startOf } from './routing.ts'

/** Where published events go. */
export interface Publisher {
  boss: PgBoss
  fanOut: FanOut
  log: Logger
  /** back-pressure: without it, queues take any number of jobs */
  backlog?: QueueBacklog
  /** counts the events that this process publishes */
  published?: RollingCounter
  /** announces committed events to event streams */
  announce?: () => void
  /** wakes the workers that deliver events to webhooks */
  wakeDeliveries?: () => void
}

/**
 * Appends events together with their jobs, in the caller's transaction: the guarantee of the
 * dispatcher without its hop. Only for transactions of the asynchronous pipeline; the commit waits
 * for the statements. Events whose queue is full are appended without jobs, for the dispatcher.
 * @param done ids of the events whose steps are done already: they get no jobs
 */
export async function publishEvents(
  tx: Tx,
  publisher: Publisher,
  emitted: readonly EventOf[],
  done: ReadonlySet<string> = new Set(),
): Promise<void> {
  const { events, held } = await holdBack(tx, publisher, emitted, done)
  appendEvents(tx, held)
  if (events.length === 0) return
  const toQueue = events.filter(({ event_id }) => !done.has(event_id))
  const { boss, log } = publisher
  tx.pipeline(appendAndWake(tx, publisher, events))
  tx.pipeline(insertJobs(tx, boss, toQueue))
  publisher.backlog?.add(toQueue)
  tx.afterCommit(() => {
    countDispatched('worker', events.length)
    publisher.published?.add(events.length)
    publisher.announce?.()
    logDispatched(log, events, done)
  })
}

/** Separates the events of full queues, and later events of their orders. */
async function holdBack(
  tx: Tx,
  { backlog }: Publisher,
  emitted: readonly EventOf[],
  done: ReadonlySet<string>,
): Promise<{ events: readonly EventOf[]; held: readonly EventOf[] }> {
  const needsJob = (event: EventOf) => !done.has(event.event_id) && routesOf(event).length > 0
  const types = emitted.some(needsJob) ? await backlog?.heldTypes(tx) : undefined
  if (!types || types.size === 0) return { events: emitted, held: [] }
  const events: EventOf[] = []
  const held: EventOf[] = []
  const orders = new Set<string | null>()
  for (const event of emitted) {
    const { order_id } = event
    const isHeld = (needsJob(event) && types.has(event.type)) || (order_id !== null && orders.has(order_id))
    if (isHeld) orders.add(order_id)
    ;(isHeld ? held : events).push(event)
  }
  return { events, held }
}

async function appendAndWake(
  tx: Tx,
  { fanOut, wakeDeliveries }: Publisher,
  events: readonly EventOf[],
): Promise<void> {
  const targets = await appendAndFanOut(tx, fanOut, events)
  if (targets.length > 0 && wakeDeliveries) tx.afterCommit(wakeDeliveries)
}

/**
 * Appends events that are dispatched in the same transaction, and inserts what they fan out to.
 * Their jobs are not inserted.
 * @throws InvalidEvent when a payload does not match the catalogue
 */
export async function appendAndFanOut(
  tx: Tx,
  fanOut: FanOut,
  events: readonly EventOf[],
): Promise<FanOutTarget[]> {
  return await tx.query<FanOutTarget>(publishSql(fanOut), eventColumns(events))
}

/**
 * Inserts one job per event and route. The id of the event is the id of the job, which prevents a
 * second job as long as the first is kept, and its singleton key, which prevents a second
 * unfinished job of whatever id. pg-boss notifies the queue's workers when the transaction commits.
 * @throws JobsRefused
 */
export async function insertJobs(tx: Tx, boss: PgBoss, events: readonly EventOf[]): Promise<void> {
  const byQueue = new Map<QueueName, { route: Route; event: EventOf }[]>()
  for (const event of events) {
    for (const route of routesOf(event)) {
      const queued = byQueue.get(route.queue)
      if (queued) queued.push({ route, event })
      else byQueue.set(route.queue, [{ route, event }])
    }
  }
  await Promise.all(
    Array.from(byQueue, async ([queue, queued]) => {
      const jobs = queued.map(({ route, event }) => ({
        id: event.event_id,
        singletonKey: event.event_id,
        data: event,
        ...startOf(route, event),
      }))
      const refused = await insertOrRefuse(tx, boss, queue, jobs)
      if (refused.size > 0) throw new JobsRefused(queue, refused)
    }),
  )
}

/**
 * Logs one line per dispatched event, with the queues of its jobs.
 * @param done ids of the events that have no jobs, because their steps are done
 */
export function logDispatched(
  log: Logger,
  events: readonly EventOf[],
  done: ReadonlySet<string> = new Set(),
): void {
  if (!log.isLevelEnabled('info')) return
  for (const event of events) {
    const { event_id, type, order_id, trace_context } = event
    const jobs = isEventType(type) && !done.has(event_id) ? routesOf(event).map(({ queue }) => queue) : []
    log.info({ event_id, order_id, ...traceFields(trace_context), jobs }, `${type}: dispatched`)
  }
}

const publishSql = (fanOut: FanOut) => `
  with published as (
    ${appendEventsSql(1, 'clock_timestamp()')}
    returning event_id, restaurant_id, type, order_id, payload
  )
  ${fanOut.insertSql}
`
