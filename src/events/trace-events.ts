import { trace } from '@opentelemetry/api'
import { isTracing, startSpan, traceIdOf } from '../platform/tracing.ts'
import type { EventOf, TraceContext } from './event.ts'

export interface TracedEvents<Event extends EventOf> {
  /** the events, each with its new span as the parent of everything that follows from it */
  events: Event[]
  /** @param errorOf the error of an event that failed, by its id */
  end(errorOf?: (eventId: string) => string | undefined): void
}

const untraced = () => undefined

/**
 * Starts a span per event of a batch, as a child of the span that caused the event. The spans of
 * pg-boss cover whole batches and belong to no single trace, so each span links to the span of its
 * batch. Without tracing, returns the events unchanged.
 * @param operation `dispatch`, or `process` with the name of the queue
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

/** Returns the fields of a log line for a trace context. */
export function traceFields({ traceparent, ...rest }: TraceContext): Record<string, string | undefined> {
  return traceparent === undefined ? rest : { ...rest, trace_id: traceIdOf(traceparent) }
}
