import { trace } from '@opentelemetry/api'
import { isTracing, startSpan, traceIdOf } from '../platform/tracing.ts'
import type { EventOf, TraceContext } from './event.ts'

export interface TracedEvents<Event extends EventOf> {
  /** the events, each with what is now done with it as what led to whatever follows */
  events: Event[]
  /** @param errorOf what an event failed of, by its id */
  end(errorOf?: (eventId: string) => string | undefined): void
}

const untraced = () => undefined

/**
 * A span for each event of a batch, below the one that led to the event: pg-boss's own spans are of batches, which belong
 * to no one's trace, so these link to the batch that they were part of.
 * While traces are off: the events as they are.
 * @param operation what is done: `dispatch`, or `process` and the queue
 */
export function traceEvents<Event extends EventOf>(
  operation: string,
  kind: 'PRODUCER' | 'CONSUMER',
  events: Event[],
): TracedEvents<Event> {
  if (!isTracing()) return { events, end: untraced }
  const link = trace.getActiveSpan()?.spanContext()
  const traced = events.map(event => {
    const { event_id, type, order_id, trace_context } = event
    const span = startSpan(kind === 'PRODUCER' ? `${operation} ${type}` : operation, {
      kind,
      parent: trace_context.traceparent,
      link,
      attributes: {
        'messaging.system': 'pg-boss',
        'messaging.message.id': event_id,
        'comanda.event_type': type,
        ...(order_id ? { 'comanda.order_id': order_id } : {}),
      },
    })
    if (!span) return { event, end: untraced }
    const { traceparent } = span
    return {
      event: { ...event, trace_context: { ...trace_context, traceparent } },
      end: (error?: string) => span.end(error),
    }
  })
  return {
    events: traced.map(({ event }) => event),
    end: errorOf => {
      for (const { event, end } of traced) end(errorOf?.(event.event_id))
    },
  }
}

/** A trace context as a log line carries it. */
export function traceFields({ traceparent, ...rest }: TraceContext): Record<string, string | undefined> {
  return traceparent === undefined ? rest : { ...rest, trace_id: traceIdOf(traceparent) }
}
