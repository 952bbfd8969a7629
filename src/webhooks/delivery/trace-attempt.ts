import type { Attributes } from '@opentelemetry/api'
import { isTracing, startSpan } from '../../platform/tracing.ts'
import type { LeasedDelivery } from './claim-deliveries.ts'
import { failureOf, type Sent } from './send.ts'

interface TracedAttempt {
  /** W3C Trace Context for the endpoint, which may continue the trace; undefined: none */
  traceparent: string | undefined
  end(sent: Sent): void
}

/**
 * Starts a span for an attempt, as a child of the span that caused the event. So every attempt is
 * in the trace of its order, even a redelivery days later. Names and attributes follow
 * OpenTelemetry's conventions for HTTP clients, but only the origin of the URL is recorded, because
 * its path and query may hold a secret. With tracing disabled, the trace context of the event is
 * passed on.
 */
export function traceAttempt(delivery: LeasedDelivery): TracedAttempt {
  const parent = delivery.trace_context?.traceparent
  if (!isTracing()) return { traceparent: parent, end: () => undefined }
  const { delivery_id, webhook_id, event_id, type, order_id, url, tries } = delivery
  const span = startSpan(`POST ${type}`, {
    kind: 'CLIENT',
    parent,
    attributes: {
      'http.request.method': 'POST',
      ...destinationOf(url),
      ...(tries > 1 ? { 'http.request.resend_count': tries - 1 } : {}),
      'comanda.event_type': type,
      'comanda.event_id': event_id,
      'comanda.webhook_id': webhook_id,
      'comanda.delivery_id': delivery_id,
      ...(order_id ? { 'comanda.order_id': order_id } : {}),
    },
  })
  return {
    traceparent: span?.traceparent,
    end: sent => {
      const { status, error_type } = sent
      const failure = failureOf(sent)
      span?.end(failure, {
        ...(status === null ? {} : { 'http.response.status_code': status }),
        ...(failure === undefined ? {} : { 'error.type': error_type ?? String(status) }),
      })
    },
  }
}

const DEFAULT_PORTS: Record<string, number> = { 'https:': 443, 'http:': 80 }

function destinationOf(url: string): Attributes {
  const parsed = URL.parse(url)
  if (!parsed) return {}
  const { origin, protocol, hostname, port } = parsed
  return {
    'url.full': `${origin}/REDACTED`,
    'server.address': hostname,
    'server.port': Number(port || DEFAULT_PORTS[protocol]),
  }
}
