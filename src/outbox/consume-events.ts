import type { Job } from 'pg-boss'
import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { checkEvent, type EventOf } from '../events/event.ts'
import { traceEvents, traceFields } from '../events/trace-events.ts'
import { PoisonTracker } from '../jobs/poison-tracker.ts'
import { eventQueues, polling, type QueueName } from '../jobs/queues.ts'
import { workBatch } from '../jobs/work-batch.ts'
import { failpoint, isArmed } from '../platform/failpoints.ts'
import { type ChainedEvents, type Consumers, chainSteps } from './chain-steps.ts'
import { logHandled } from './log-handled.ts'
import { type Publisher, publishEvents } from './publish.ts'

/**
 * Processes a queue in batches. A transaction holds the effects of a batch, its chained steps, the
 * events that both publish, and the completion of its jobs.
 */
export async function consumeEvents(
  database: Database,
  publisher: Publisher,
  queue: QueueName,
  consumers: Consumers,
): Promise<void> {
  const { boss, log } = publisher
  const { batchSize, localConcurrency, heartbeatSeconds } = eventQueues[queue]

  async function work(tx: Tx, jobs: Job<EventOf>[], complete: () => Promise<void>): Promise<void> {
    // A redriven job and its original carry the same event: handle it once.
    const events = [...new Map(jobs.map(({ data }) => [data.event_id, data])).values()]
    for (const event of events) checkEvent(event)
    // Ids sort by time; pg-boss returns the jobs of a batch in any order.
    events.sort((a, b) => (a.event_id < b.event_id ? -1 : 1))
    const orderIds = () => events.flatMap(event => event.order_id ?? [])
    failpoint('worker.begun', orderIds)
    const traced = traceEvents(`process ${queue}`, 'CONSUMER', events)
    tx.afterRollback(cause => traced.end(() => String(cause)))
    const handled = await consumers.handlers[queue](tx, traced.events as never[])
    await writtenFailpoint(tx, 'worker.effect-written', orderIds)
    tx.afterCommit(() => {
      traced.end()
      const handledJobs = jobs.map(({ id, data }) => ({ event: data, job_id: id }))
      logHandled(log, queue, handledJobs, handled.outcomes)
      failpoint('worker.after-commit', orderIds)
    })
    // A retried job may have crashed its process in a chained step. Queued as a job of its own, a
    // step that crashes its process becomes a dead letter without the deduction.
    const isFirst = jobs.every(({ retryCount }) => retryCount === 0)
    const finish = async ({ events: following, done }: ChainedEvents) => {
      await publishEvents(tx, publisher, following, done)
      await writtenFailpoint(tx, 'worker.before-commit', orderIds)
      await complete()
    }
    if (isFirst) await chainSteps(tx, consumers, log, handled, finish)
    else await finish({ events: handled.events, done: new Set() })
  }

  const batchOptions = {
    database,
    boss,
    queue,
    work,
    trials: new PoisonTracker(database, queue),
    claimMs: heartbeatSeconds * 1_000,
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
