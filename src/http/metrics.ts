import Router from '@koa/router'
import { metrics as openTelemetry } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { Middleware } from 'koa'

export interface HttpMetrics {
  /** times requests by route and status */
  middleware(): Middleware
  /** serves `/metrics` */
  page: Router
}

const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10]

let exporter: PrometheusExporter | undefined

/** Prometheus metrics of this process; pg-boss adds its own to the same provider. */
export function createMetrics(): HttpMetrics {
  // One global provider a process: that is where pg-boss looks for it.
  if (!exporter) {
    exporter = new PrometheusExporter({ preventServerStart: true })
    openTelemetry.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }))
  }
  // Prometheus wants the unit in the name, and this exporter does not put it there.
  const duration = openTelemetry.getMeter('comanda').createHistogram('http.server.request.duration.seconds', {
    description: 'Duration of HTTP requests',
    unit: 's',
    advice: { explicitBucketBoundaries: DURATION_BUCKETS_SECONDS },
  })
  const page = new Router()
  page.get('/metrics', ctx => {
    ctx.respond = false
    ctx.res.statusCode = 200
    exporter?.getMetricsRequestHandler(ctx.req, ctx.res)
  })
  return {
    page,
    middleware: () => async (ctx, next) => {
      const started = performance.now()
      await next()
      duration.record((performance.now() - started) / 1_000, {
        'http.request.method': ctx.method,
        'http.route': ctx['_matchedRoute'] ?? 'none',
        'http.response.status_code': ctx.status,
      })
    },
  }
}
