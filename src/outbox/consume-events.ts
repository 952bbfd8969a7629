import type { Job } from 'pg-boss'
import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import type { EventType } from '../events/catalogue.ts'
import { checkEvent, type EventOf } from '../events/event.ts'
import { traceEvents, traceFields } from '../events/trace-events.ts'
import { PoisonTracker } from '../jobs/poison-tracker.ts'
import { eventQueues, polling, type QueueName } from '../jobs/queues.ts'
import { workBatch } from '../jobs/work-batch.ts'
import { failpoint, isArmed } from '../platform/failpoints.ts'
import type { Logger } from '../platform/log.ts'
import { type Publisher, publishEvents } from './publish.ts'

/** What came of a batch of events. */
export interface Handled {
  /** what happened, in a word or two for the log, by event id */
  outcomes: Map<string, string>
  /** the events that follow */
  events: EventOf[]
}

/**
 * Handles a batch of events in `tx`, each at most once in effect.
 * Returns what happened; throws only to be retried.
 */
export type EventHandler<Type extends EventType> = (tx: Tx, events: EventOf<Type>[]) => Promise<Handled>

/**
 * Works a queue: batch by batch, each in one transaction with its jobs' completion and the events that follow.
 */
export async function consumeEvents<Type extends EventType>(
  database: Database,
  publisher: Publisher,
  queue: QueueName,
  handle: EventHandler<Type>,
): Promise<void> {
  const { boss, log } = publisher
  const { batchSize, localConcurrency } = eventQueues[queue]

  async function work(tx: Tx, jobs: Job<EventOf>[]): Promise<void> {
    // A redriven job beside its original carries the same event: once in the batch is enough.
    const events = [...new Map(jobs.map(({ data }) => [data.event_id, data])).values()]
    for (const event of events) checkEvent(event)
    // Arrival order: ids sort by time, and fetching does not promise an order within a batch.
    events.sort((a, b) => (a.event_id < b.event_id ? -1 : 1))
    const orderIds = () => events.flatMap(event => event.order_id ?? [])
    failpoint('worker.begun', orderIds)
    const traced = traceEvents(`process ${queue}`, 'CONSUMER', events as EventOf<Type>[])
    tx.afterRollback(cause => traced.end(() => String(cause)))
    const { outcomes, events: following } = await handle(tx, traced.events)
    await writtenFailpoint(tx, 'worker.effect-written', orderIds)
    tx.afterCommit(() => {
      traced.end()
      logHandled(log, queue, jobs, outcomes)
      failpoint('worker.after-commit', orderIds)
    })
    publishEvents(tx, publisher, following)
    await writtenFailpoint(tx, 'worker.before-commit', orderIds)
  }

  const batchOptions = {
    database,
    boss,
    queue,
    work,
    trials: new PoisonTracker(database, queue),
    log,
    fieldsOf,
  }
  // By their results, pg-boss settles each job that is left in the list, and sends nothing when there is none.
  const options = { ...polling, batchSize, localConcurrency, perJobResults: true } as const
  await boss.work(queue, options, async (jobs: Job<EventOf>[]) => {
    await workBatch(jobs, batchOptions)
    return []
  })
}

/** A failpoint behind what was sent so far: only when it is armed is the answer waited for. */
async function writtenFailpoint(
  tx: Tx,
  name: 'worker.effect-written' | 'worker.before-commit',
  orderIds: () => string[],
): Promise<void> {
  if (!isArmed(name)) return
  await tx.flush()
  failpoint(name, orderIds)
}

/** What a job is about, for its log lines. The data may be of any shape: it may be what the job fails of. */
function fieldsOf(event: Partial<EventOf> | null): Record<string, unknown> {
  const { event_id, order_id, trace_context } = event ?? {}
  return { event_id, order_id, ...traceFields(trace_context ?? {}) }
}

function logHandled(
  log: Logger,
  queue: QueueName,
  jobs: Job<EventOf>[],
  outcomes: Map<string, string>,
): void {
  if (!log.isLevelEnabled('info')) return
  for (const { id, data } of jobs) {
    const { event_id, type, order_id, trace_context } = data
    const outcome = outcomes.get(event_id) ?? 'nothing to do'
    log.info({ event_id, order_id, job_id: id, ...traceFields(trace_context), type }, `${queue}: ${outcome}`)
  }
}
