import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { parseKeyPairsIntoRecord, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'
import { useTracer } from './tracing.ts'

/**
 * Sets up the OpenTelemetry SDK. Loaded with `import()` only if tracing is on: it costs time and
 * memory.
 */

export interface Tracing {
  /**
   * Exports the remaining spans and turns tracing off, within `timeoutMs` even if the collector is
   * down.
   */
  stop(timeoutMs: number): Promise<void>
}

export interface TracingOptions {
  /** default of `service.name`; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence */
  serviceName: string
  serviceVersion: string
  sampler: Config['OTEL_TRACES_SAMPLER']
  /** ratio of sampled traces, 0..1, for the ratio samplers */
  ratio: number
  /**
   * headers of every export, in the format of OTEL_EXPORTER_OTLP_HEADERS; the last of equal names
   * wins
   */
  headers?: string
  /** default: exports to the OTLP endpoint of the standard variables */
  processor?: SpanProcessor
}

/** Maximum number of queued spans. Further spans are dropped, so that requests never wait. */
const MAX_WAITING_SPAN_COUNT = 20_000
const MAX_EXPORT_SPAN_COUNT = 2_000
const EXPORT_INTERVAL_MS = 1_000
/** Minimum time between two warnings that the collector is unreachable. */
const WARNING_INTERVAL_MS = 60_000

/** Starts to collect and export the spans of this process, ours and pg-boss's. */
export function installTracing(options: TracingOptions, log: Logger): Tracing {
  const { serviceName, serviceVersion, sampler, ratio, headers, processor } = options
  logWarnings(log)
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': serviceName, 'service.version': serviceVersion }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplers[sampler](ratio),
    spanProcessors: [processor ?? otlpProcessor(headers)],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  useTracer(provider.getTracer('comanda'))
  return {
    stop: async timeoutMs => {
      useTracer(undefined)
      const timeUp = new Promise<void>(done => setTimeout(done, timeoutMs).unref())
      await Promise.race([provider.shutdown().catch(() => undefined), timeUp])
      trace.disable()
      propagation.disable()
      context.disable()
      diag.disable()
    },
  }
}

/** The samplers by their names in OTEL_TRACES_SAMPLER. */
const samplers: Record<Config['OTEL_TRACES_SAMPLER'], (ratio: number) => Sampler> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: ratio => new TraceIdRatioBasedSampler(ratio),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: ratio => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
}

function otlpProcessor(headers: string | undefined): SpanProcessor {
  return new BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ headers: parseKeyPairsIntoRecord(headers) }),
    maxQueueSize: MAX_WAITING_SPAN_COUNT,
    maxExportBatchSize: MAX_EXPORT_SPAN_COUNT,
    scheduledDelayMillis: EXPORT_INTERVAL_MS,
  })
}

/** Logs warnings of the SDK, at most one per {@link WARNING_INTERVAL_MS}. */
function logWarnings(log: Logger): void {
  let silentUntil = 0
  const warn = (message: string) => {
    if (performance.now() < silentUntil) return
    silentUntil = performance.now() + WARNING_INTERVAL_MS
    log.warn({ cause: message.slice(0, 500) }, 'could not export traces')
  }
  const ignore = () => undefined
  diag.setLogger(
    { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
