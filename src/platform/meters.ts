import { monitorEventLoopDelay } from 'node:perf_hooks'
import { metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider, type MetricData, type ScopeMetrics } from '@opentelemetry/sdk-metrics'

const exporter = new PrometheusExporter({ preventServerStart: true })
const serializer = new PrometheusSerializer('', false, undefined, false, true)

/** Metrics of another process, each series with the label `process`. */
export type ForeignMetrics = readonly ScopeMetrics[]

/**
 * Returns the metrics of this process, pg-boss's included, in Prometheus' text format.
 * @param foreign metrics of another process, which are added to the same metric families
 */
export async function renderMetrics(foreign: ForeignMetrics = []): Promise<string> {
  const { resourceMetrics } = await exporter.collect()
  const { resource, scopeMetrics } = resourceMetrics
  return serializer.serialize({ resource, scopeMetrics: [...scopeMetrics, ...foreign] })
}

/**
 * Returns the metrics of this process for the page of another one.
 * @param process value of the label `process`, without which equal series of both would collide
 */
export async function collectMetrics(process: string): Promise<ForeignMetrics> {
  const { resourceMetrics } = await exporter.collect()
  return resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
    scope,
    metrics: metrics.map(metric => labelled(metric, { process })),
  }))
}

function labelled(metric: MetricData, labels: Record<string, string>): MetricData {
  const dataPoints = metric.dataPoints.map(point => ({
    ...point,
    attributes: { ...point.attributes, ...labels },
  }))
  return { ...metric, dataPoints } as MetricData
}

// pg-boss uses the global provider.
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }))

/**
 * Labels must have few values: no ids and no client input. Names end in the unit, as Prometheus
 * requires.
 */
export const meter = metrics.getMeter('comanda')

const RESOLUTION_MS = 20
const NANOSECONDS = 1e9

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()

const gauges = [
  ['mean', () => delay.mean],
  ['p50', () => delay.percentile(50)],
  ['p99', () => delay.percentile(99)],
  ['max', () => delay.max],
] as const

for (const [name, read] of gauges) {
  meter
    .createObservableGauge(`nodejs.eventloop.delay.${name}.seconds`, {
      description: `Event-loop delay since the last scrape, ${name}`,
      unit: 's',
    })
    .addCallback(result => {
      const nanoseconds = read()
      if (Number.isFinite(nanoseconds)) result.observe(nanoseconds / NANOSECONDS)
      // The last gauge: reset for the next scrape.
      if (name === 'max') delay.reset()
    })
}
