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

/** The result of handling a batch of events. */
export interface Handled {
  /** outcome for the log in a few words, by event id */
  outcomes: Map<string, string>
  /** events to publish */
  events: EventOf[]
}

/**
 * Handles a batch of events in `tx`. Each event takes effect at most once.
 * @throws only if the batch is to be retried
 */
export type EventHandler<Type extends EventType> = (tx: Tx, events: EventOf<Type>[]) => Promise<Handled>

/**
 * Processes a queue in batches. A transaction holds the effects of a batch, the events that it
 * publishes, and the completion of its jobs.
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
    // A redriven job and its original carry the same event: handle it once.
    const events = [...new Map(jobs.map(({ data }) => [data.event_id, data])).values()]
    for (const event of events) checkEvent(event)
    // Ids sort by time; pg-boss returns the jobs of a batch in any order.
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
  // workBatch completes the jobs itself. With per-job results and an empty list, pg-boss does not.
  const options = { ...polling, batchSize, localConcurrency, perJobResults: true } as const
  await boss.work(queue, options, async (jobs: Job<EventOf>[]) => {
    await workBatch(jobs, batchOptions)
    return []
  })
}

/**
 * A failpoint after the statements sent so far. Their results are awaited only when it is armed.
 */
async function writtenFailpoint(
  tx: Tx,
  name: 'worker.effect-written' | 'worker.before-commit',
  orderIds: () => string[],
): Promise<void> {
  if (!isArmed(name)) return
  await tx.flush()
  failpoint(name, orderIds)
}

/** Returns the log fields of a job. A malformed payload may be why the job failed. */
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
