import {
  type Attributes,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'

/** undefined while traces are off: then nothing is begun, and nothing is spent on them. */
let tracer: Tracer | undefined

/** Turns traces on, or off again. For trace-sdk.ts, which is loaded only where they are wanted. */
export function useTracer(next: Tracer | undefined): void {
  tracer = next
}

/** Whether anybody wants traces. */
export function isTracing(): boolean {
  return tracer !== undefined
}

interface SpanOptions {
  kind: 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER'
  /** W3C Trace Context of what led to it; left out or malformed, a new trace begins */
  parent: string | undefined
  attributes: Attributes
  link?: SpanContext | undefined
}

/** Something that is being done. Not ended (its transaction was undone, say), it is never told. */
export interface OpenSpan {
  /** W3C Trace Context for what follows from it */
  traceparent: string
  /** names it anew, once more is known */
  rename(name: string, attributes: Attributes): void
  /**
   * @param error what it failed of, for the reader
   * @param attributes what is known only now
   */
  end(error?: string, attributes?: Attributes): void
}

/** @returns undefined while traces are off */
export function startSpan(name: string, options: SpanOptions): OpenSpan | undefined {
  if (!tracer) return undefined
  const { kind, parent, attributes, link } = options
  const above =
    parent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent: parent })
  const links = link ? [{ context: link }] : []
  const span = tracer.startSpan(name, { kind: SpanKind[kind], attributes, links }, above)
  const carrier: { traceparent?: string } = {}
  propagation.inject(trace.setSpan(ROOT_CONTEXT, span), carrier)
  return {
    traceparent: carrier.traceparent ?? '',
    rename: (name, attributes) => void span.updateName(name).setAttributes(attributes),
    end: (error, attributes = {}) => {
      span.setAttributes(attributes)
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
      span.end()
    },
  }
}

/** The trace id in a W3C `traceparent`: what the parts of a trace, and its log lines, have in common. */
export function traceIdOf(traceparent: string): string | undefined {
  return traceparent.split('-', 2)[1]
}
