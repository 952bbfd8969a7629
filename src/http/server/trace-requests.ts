import type { Middleware } from 'koa'
import { withLogContext } from '../../platform/log.ts'
import { startSpan, traceIdOf } from '../../platform/tracing.ts'
import { methodLabel, OTHER_METHOD } from '../methods.ts'

/** Lowest status of a server error. */
const SERVER_ERROR_STATUS = 500

/**
 * Starts a span per request, as a child of the client's `traceparent` if there is one. The
 * request's
 * events and jobs continue the trace, and its log lines carry the trace id.
 */
export function traceRequests(): Middleware {
  return async (ctx, next) => {
    const parent = ctx.req.headers['traceparent']
    const method = methodLabel(ctx.method)
    const name = method === OTHER_METHOD ? 'HTTP' : method
    const span = startSpan(name, {
      kind: 'SERVER',
      parent: typeof parent === 'string' ? parent : undefined,
      attributes: {
        'http.request.method': method,
        ...(method === ctx.method ? {} : { 'http.request.method_original': ctx.method }),
        'url.path': ctx.path,
      },
    })
    if (!span) return await next()
    const { requestId } = ctx.state
    const trace_id = traceIdOf(span.traceparent)
    ctx.state['trace'] = { request_id: requestId, traceparent: span.traceparent }
    ctx.state['traceId'] = trace_id
    await withLogContext({ trace_id }, next)
    const route = ctx['_matchedRoute'] as string | undefined
    span.rename(route ? `${name} ${route}` : name, {
      ...(route ? { 'http.route': route } : {}),
      'http.response.status_code': ctx.status,
      'comanda.request_id': requestId as string,
    })
    span.end(ctx.status >= SERVER_ERROR_STATUS ? `HTTP status ${ctx.status}` : undefined)
  }
}
