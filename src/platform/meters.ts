import { monitorEventLoopDelay } from 'node:perf_hooks'
import { metrics } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'

/** This process's metrics, in Prometheus's text format at `/metrics`. pg-boss adds its own to the same provider. */
export const metricsExporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true })

// One global provider a process: that is where pg-boss looks for it.
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [metricsExporter] }))

/** Labels have few values: never an id, never what a client sends. Prometheus wants the unit in the name. */
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
      // The last of them: the next scrape begins anew.
      if (name === 'max') delay.reset()
    })
}
