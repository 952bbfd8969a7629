import Router from '@koa/router'
import type { Middleware } from 'koa'
import { meter, metricsExporter } from '../platform/meters.ts'

export interface HttpMetrics {
  /** times requests by route and status */
  middleware(): Middleware
  /** serves `/metrics` */
  page: Router
}

const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10]

const duration = meter.createHistogram('http.server.request.duration.seconds', {
  description: 'Duration of HTTP requests',
  unit: 's',
  advice: { explicitBucketBoundaries: DURATION_BUCKETS_SECONDS },
})

export function createMetrics(): HttpMetrics {
  const page = new Router()
  page.get('/metrics', ctx => {
    ctx.respond = false
    ctx.res.statusCode = 200
    metricsExporter.getMetricsRequestHandler(ctx.req, ctx.res)
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
