import type { Attributes } from '@opentelemetry/api'
import { isTracing, startSpan } from '../../platform/tracing.ts'
import type { Held } from './in-flight-deliveries.ts'
import { failureOf, type Sent } from './send.ts'

interface TracedAttempt {
  /** W3C Trace Context for the receiver, who may go on with the trace; undefined: there is none */
  traceparent: string | undefined
  end(sent: Sent): void
}

/**
 * A span for an attempt at a delivery, below what the event came of: every attempt of it, a redelivery days later too, is in
 * the order's trace. Named and described by OpenTelemetry's conventions for HTTP clients, except that of the URL only the
 * origin is told: what is behind it may be a secret of the receiver.
 * While traces are off: what led to the event is handed on as it is.
 */
export function traceAttempt({ job, delivery }: Held): TracedAttempt {
  const above = delivery.trace_context?.traceparent
  if (!isTracing()) return { traceparent: above, end: () => undefined }
  const { delivery_id, webhook_id, event_id, type, order_id, url } = delivery
  const span = startSpan(`POST ${type}`, {
    kind: 'CLIENT',
    parent: above,
    attributes: {
      'http.request.method': 'POST',
      ...destinationOf(url),
      ...(job.retryCount > 0 ? { 'http.request.resend_count': job.retryCount } : {}),
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
