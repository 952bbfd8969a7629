import type { EventOf } from '../events/event.ts'
import { traceFields } from '../events/trace-events.ts'
import type { QueueName } from '../jobs/queues.ts'
import type { Logger } from '../platform/log.ts'

/**
 * Logs one line per handled event, with its outcome.
 * @param handled each with the job that it came from; none for a chained step
 */
export function logHandled(
  log: Logger,
  queue: QueueName,
  handled: Iterable<{ event: EventOf; job_id?: string }>,
  outcomes: ReadonlyMap<string, string>,
): void {
  if (!log.isLevelEnabled('info')) return
  for (const { event, job_id } of handled) {
    const { event_id, type, order_id, trace_context } = event
    const outcome = outcomes.get(event_id) ?? 'nothing to do'
    log.info({ event_id, order_id, job_id, ...traceFields(trace_context), type }, `${queue}: ${outcome}`)
  }
}
