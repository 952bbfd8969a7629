import Router from '@koa/router'
import type { Middleware } from 'koa'
import { type ForeignMetrics, meter, renderMetrics } from '../../platform/meters.ts'
import { methodLabel } from '../methods.ts'

export interface HttpMetrics {
  /** measures requests by route and status */
  middleware(): Middleware
  /** records a request that bypassed the middleware */
  record(method: string, route: string, status: number, ms: number): void
  /** serves `/metrics` */
  page: Router
}

const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10]

const duration = meter.createHistogram('http.server.request.duration.seconds', {
  description: 'Duration of HTTP requests',
  unit: 's',
  advice: { explicitBucketBoundaries: DURATION_BUCKETS_SECONDS },
})

function record(method: string, route: string, status: number, ms: number): void {
  duration.record(ms / 1_000, {
    'http.request.method': method,
    'http.route': route,
    'http.response.status_code': status,
  })
}

/** @param foreign returns the metrics of another process, which the page serves as well */
export function createMetrics(foreign?: () => Promise<ForeignMetrics>): HttpMetrics {
  const page = new Router()
  page.get('/metrics', async ctx => {
    ctx.body = await renderMetrics(await foreign?.())
    ctx.type = 'text/plain; version=0.0.4; charset=utf-8'
  })
  return {
    page,
    middleware: () => async (ctx, next) => {
      const started = performance.now()
      await next()
      record(methodLabel(ctx.method), ctx['_matchedRoute'] ?? 'none', ctx.status, performance.now() - started)
    },
    record,
  }
}
