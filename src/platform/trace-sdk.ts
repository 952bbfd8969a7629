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

/** The OpenTelemetry SDK. Only ever loaded by `import()`, where traces are wanted: it costs time and memory. */

export interface Tracing {
  /** Sends what there is and turns traces off, within `timeoutMs`, whether or not anybody takes them. */
  stop(timeoutMs: number): Promise<void>
}

export interface TracingOptions {
  /** `service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say another */
  serviceName: string
  serviceVersion: string
  sampler: Config['OTEL_TRACES_SAMPLER']
  /** of the samplers by ratio: how many of all traces, 0..1 */
  ratio: number
  /** sent with every export, in the form of OTEL_EXPORTER_OTLP_HEADERS; of two with one name, the later */
  headers?: string
  /** left out: to the OTLP endpoint that the standard variables name */
  processor?: SpanProcessor
}

/** Spans that wait to be sent; those beyond are dropped, and no request waits for them. */
const MAX_WAITING_SPAN_COUNT = 20_000
const MAX_EXPORT_SPAN_COUNT = 2_000
const EXPORT_INTERVAL_MS = 1_000
/** A collector that is away is told of this often. */
const COMPLAINT_INTERVAL_MS = 60_000

/** From now on this process's spans, ours and pg-boss's, are collected and sent. */
export function installTracing(options: TracingOptions, log: Logger): Tracing {
  const { serviceName, serviceVersion, sampler, ratio, headers, processor } = options
  complainTo(log)
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

/** By the names that OpenTelemetry gives them. */
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

/** What the SDK has to complain of goes to our log, and not at every export. */
function complainTo(log: Logger): void {
  let silentUntil = 0
  const complain = (message: string) => {
    if (performance.now() < silentUntil) return
    silentUntil = performance.now() + COMPLAINT_INTERVAL_MS
    log.warn({ cause: message.slice(0, 500) }, 'traces could not be sent')
  }
  const ignore = () => undefined
  diag.setLogger(
    { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
