import { isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import { checkEvent, type EventOf } from '../events/event.ts'
import { type TracedEvents, traceEvents } from '../events/trace-events.ts'
import type { QueueName } from '../jobs/queues.ts'
import { ClaimLost } from '../jobs/work-batch.ts'
import { failpoint, isArmed } from '../platform/failpoints.ts'
import type { Logger } from '../platform/log.ts'
import type { EventHandler, Handled } from './event-handler.ts'
import { logHandled } from './log-handled.ts'
import { countChainedSteps } from './outbox-metrics.ts'
import { type Route, routing } from './routing.ts'

/** The steps that a worker handles. */
export interface Consumers {
  handlers: Readonly<Record<QueueName, EventHandler<never>>>
  /** whether this worker works the queue: the steps of a paused queue become jobs, which wait */
  isWorked: (queue: QueueName) => boolean
}

/** The events of a batch after its chained steps. */
export interface ChainedEvents {
  /** all events to append */
  events: readonly EventOf[]
  /** ids of the events whose steps are done, which get no jobs */
  done: ReadonlySet<string>
}

/**
 * Handles the chained steps of the events that a handler emitted, in the transaction that holds the
 * locks of their orders, and then calls `finish`. All steps of a batch share one savepoint, because
 * Postgres slows down with more than 64 subtransactions. If a step throws, all of them are undone
 * and become jobs.
 * @param finish writes the rest of the transaction. It is called within the savepoint, so that the
 * results of all statements are awaited once, and again outside of it if the savepoint was undone.
 * @throws ClaimLost, and other errors of `finish`
 */
export async function chainSteps(
  tx: Tx,
  { handlers, isWorked }: Consumers,
  log: Logger,
  { events, orders }: Handled,
  finish: (chained: ChainedEvents) => Promise<void>,
): Promise<void> {
  const steps = new Map<QueueName, EventOf[]>()
  for (const [type, group] of Map.groupBy(events, event => event.type))
    for (const { queue, chained } of routing[type] as readonly Route[])
      if (chained && isWorked(queue)) steps.set(queue, group)
  const unchained = { events, done: new Set<string>() }
  if (steps.size === 0) return await finish(unchained)

  const spans: TracedEvents<EventOf>[] = []
  const endSpans = (cause: unknown) => {
    for (const span of spans.splice(0)) span.end(() => String(cause))
  }
  tx.afterRollback(endSpans)
  try {
    await tx.savepoint(async () => {
      const all = [...events]
      for (const [queue, group] of steps) {
        for (const event of group) checkEvent(event)
        const traced = traceEvents(`process ${queue}`, 'CONSUMER', group)
        spans.push(traced)
        const { outcomes, events: following } = await handlers[queue](
          tx,
          traced.events as never[],
          orders as ReadonlyMap<string, never> | undefined,
        )
        all.push(...following)
        tx.afterCommit(() => {
          traced.end()
          countChainedSteps(queue, 'done', group.length)
          const handled = group.map(event => ({ event }))
          logHandled(log, queue, handled, outcomes)
        })
      }
      if (isArmed('worker.chained')) await tx.flush()
      failpoint('worker.chained', () => events.flatMap(event => event.order_id ?? []))
      await finish({
        events: all,
        done: new Set([...steps.values()].flat().map(({ event_id }) => event_id)),
      })
    })
  } catch (error) {
    if (isUnavailable(error) || error instanceof ClaimLost) throw error
    endSpans(error)
    for (const [queue, group] of steps) countChainedSteps(queue, 'queued', group.length)
    log.warn(
      { queues: [...steps.keys()], error: String(error) },
      'chained steps failed; they are queued as jobs',
    )
    await finish(unchained)
  }
}
