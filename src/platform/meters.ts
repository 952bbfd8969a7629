import { monitorEventLoopDelay } from 'node:perf_hooks'
import { metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'

const exporter = new PrometheusExporter({ preventServerStart: true })
const serializer = new PrometheusSerializer('', false, undefined, false, true)

/** Returns the metrics of this process, pg-boss's included, in Prometheus' text format. */
export async function renderMetrics(): Promise<string> {
  const { resourceMetrics } = await exporter.collect()
  return serializer.serialize(resourceMetrics)
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
