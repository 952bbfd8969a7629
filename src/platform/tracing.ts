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

/** undefined while tracing is off, which then costs nothing. */
let tracer: Tracer | undefined

/**
 * Turns tracing on, or off with undefined. For trace-sdk.ts, which is loaded only if tracing is on.
 */
export function useTracer(next: Tracer | undefined): void {
  tracer = next
}

/** Returns whether tracing is on. */
export function isTracing(): boolean {
  return tracer !== undefined
}

interface SpanOptions {
  kind: 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER'
  /** W3C `traceparent` of the cause; if undefined or malformed, a new trace begins */
  parent: string | undefined
  attributes: Attributes
  link?: SpanContext | undefined
}

/** A started span. It is only exported once ended, so not if its transaction rolled back. */
export interface OpenSpan {
  /** W3C `traceparent` for the spans that this one causes */
  traceparent: string
  /** renames the span and adds attributes */
  rename(name: string, attributes: Attributes): void
  /**
   * @param error human-readable reason of a failure
   * @param attributes additional attributes
   */
  end(error?: string, attributes?: Attributes): void
}

/** Starts a span. @returns undefined while tracing is off */
export function startSpan(name: string, options: SpanOptions): OpenSpan | undefined {
  if (!tracer) return undefined
  const { kind, parent, attributes, link } = options
  const parentContext =
    parent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent: parent })
  const links = link ? [{ context: link }] : []
  const span = tracer.startSpan(name, { kind: SpanKind[kind], attributes, links }, parentContext)
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

/** Returns the trace id of a W3C `traceparent`, by which log lines are correlated with traces. */
export function traceIdOf(traceparent: string): string | undefined {
  return traceparent.split('-', 2)[1]
}
