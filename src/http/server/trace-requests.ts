import type { Middleware } from 'koa'
import { withLogContext } from '../../platform/log.ts'
import { startSpan, traceIdOf } from '../../platform/tracing.ts'

/** First status that says the fault is ours. */
const SERVER_ERROR_STATUS = 500

/**
 * A span for each request, below the caller's `traceparent` where it sends one; what the request leads to continues it,
 * and every log line of it carries the trace id.
 */
export function traceRequests(): Middleware {
  return async (ctx, next) => {
    const parent = ctx.req.headers['traceparent']
    const span = startSpan(ctx.method, {
      kind: 'SERVER',
      parent: typeof parent === 'string' ? parent : undefined,
      attributes: { 'http.request.method': ctx.method, 'url.path': ctx.path },
    })
    if (!span) return await next()
    const { requestId } = ctx.state
    const trace_id = traceIdOf(span.traceparent)
    ctx.state['trace'] = { request_id: requestId, traceparent: span.traceparent }
    ctx.state['traceId'] = trace_id
    await withLogContext({ trace_id }, next)
    const route = ctx['_matchedRoute'] as string | undefined
    span.rename(route ? `${ctx.method} ${route}` : ctx.method, {
      ...(route ? { 'http.route': route } : {}),
      'http.response.status_code': ctx.status,
      'comanda.request_id': requestId as string,
    })
    span.end(ctx.status >= SERVER_ERROR_STATUS ? `answered ${ctx.status}` : undefined)
  }
}
