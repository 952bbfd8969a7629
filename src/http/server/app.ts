import Router from '@koa/router'
import Koa, { type Context, type Middleware } from 'koa'
import { ExpectedError, TooManyRequests } from '../../platform/errors.ts'
import { type Logger, withLogContext } from '../../platform/log.ts'
import { isTracing } from '../../platform/tracing.ts'
import { type Authenticator, authorize, reauthorize } from '../auth/authenticate.ts'
import { jsonBody } from '../body.ts'
import { parseIdempotencyKey } from '../idempotency.ts'
import { MAX_URL_LENGTH } from '../limits.ts'
import { expectedError, problemOf, retryAfterSeconds } from '../problem.ts'
import { problems } from '../problem-catalogue.ts'
import type { ProblemCode } from '../problem-entry.ts'
import type { RequestStep } from '../route.ts'
import { type Route, STREAM_TYPE } from '../route.ts'
import type { RouteReply, StreamReply } from '../route-reply.ts'
import type { EventStreams } from '../sse/event-streams.ts'
import { allowOrigins } from './cors.ts'
import type { HttpMetrics } from './metrics.ts'
import { requestIdOf } from './request-id.ts'
import { requireHost } from './require-host.ts'
import { securityHeaders } from './security-headers.ts'
import { traceRequests } from './trace-requests.ts'

export interface AppOptions {
  routes: readonly Route[]
  /** pages beside the API: for everybody, for every caller, and for operators */
  pages: { open: Router[]; callers: Router[]; operators: Router[] }
  /** what each caller may send, after it is known */
  rateLimit?: RequestStep | undefined
  /** left out, everybody may do everything */
  authenticator?: Authenticator | undefined
  metrics: HttpMetrics
  /** where the answers of routes that stream are kept */
  streams?: EventStreams
  /** whether what changes something must say by which key it may be sent again */
  requireIdempotencyKey?: boolean
  /** proxies in front, of which each adds to `X-Forwarded-For` whom it has served; left out, none, and the header is not looked at */
  trustedProxyCount?: number
  /** names that requests may be for, in lower case; left out, any */
  allowedHosts?: ReadonlySet<string> | undefined
  /** whose pages may call from a browser; left out, none but our own */
  corsOrigins?: readonly string[]
  log: Logger
}

/** The Koa application: every answer that is not a success is a problem document. */
export function createApp(options: AppOptions): Koa {
  const {
    pages,
    authenticator,
    metrics,
    corsOrigins = [],
    trustedProxyCount = 0,
    allowedHosts,
    log,
  } = options
  // Of the addresses in the header, the last so many: what stands before them, anybody can have written.
  const app = new Koa({ proxy: trustedProxyCount > 0, maxIpsCount: trustedProxyCount })
  const api = apiRouter(options)
  const routers = [api, ...pages.open, ...pages.callers, ...pages.operators]
  app.use(beginAnswer())
  if (isTracing()) app.use(traceRequests())
  app.use(metrics.middleware())
  app.use(answerErrors(log))
  if (log.isLevelEnabled('debug')) app.use(logRequests(log))
  if (corsOrigins.length > 0) app.use(allowOrigins(corsOrigins))
  app.use(requireHost(allowedHosts))
  app.use(limitPath())
  // First what is called most: each router looks at all of its routes before it passes on.
  app.use(api.routes())
  for (const router of pages.open) app.use(router.routes())
  for (const router of pages.callers) app.use(guarded(router, authorize(authenticator)))
  for (const router of pages.operators) app.use(guarded(router, authorize(authenticator, 'ops')))
  app.use(refuseUnrouted(routers))
  // What still gets here broke while an answer was on its way out: there is nobody left to tell but the log.
  app.on('error', (error: Error) => log.warn({ error: error.message }, 'answer broke off'))
  return app
}

/** The pages of a router, for those who are let in. */
function guarded(router: Router, guard: RequestStep): Middleware {
  const serve = router.routes()
  return async (ctx, next) => {
    if (!router.match(ctx.path, ctx.method).route) return await next()
    await guard(ctx)
    // Which route answers is found anew behind the guard.
    await serve(ctx as never, next)
  }
}

function apiRouter(options: AppOptions): Router {
  const { routes, authenticator, rateLimit, streams, requireIdempotencyKey = false } = options
  const router = new Router()
  const readBody = jsonBody()
  for (const route of routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const answer = (ctx: Context) =>
      route.serve({
        params: ctx['params'],
        path: ctx.path,
        query: route.query ? ctx.query : {},
        body: bodyOf(ctx, route),
        trace: ctx.state['trace'] ?? { request_id: ctx.state['requestId'] },
        caller: ctx.state['caller'],
        ifMatch: ctx.req.headers['if-match'],
        lastEventId: ctx.req.headers['last-event-id'] as string | undefined,
        idempotencyKey:
          route.method === 'get'
            ? undefined
            : parseIdempotencyKey(
                ctx.req.headers['idempotency-key'] as string | undefined,
                requireIdempotencyKey,
              ),
      })
    const serveOnce: RequestStep = async ctx => {
      const { body, headers = {} } = (await answer(ctx)) as RouteReply<unknown>
      ctx.status = route.status
      ctx.set(headers)
      ctx.body = route.status === 204 ? null : body
    }
    const serveStream: RequestStep = async ctx => {
      const prepare = async () => (await answer(ctx)) as StreamReply
      if (ctx.method === 'HEAD') {
        await prepare()
        ctx.type = STREAM_TYPE
        ctx.body = ''
        return
      }
      await streams?.open(ctx.res, ctx.state['caller'], reauthorize(ctx, authenticator, route.scope), prepare)
      ctx.respond = false
    }
    // Strangers are turned away before a byte of their body is read.
    const steps = [
      authorize(authenticator, route.scope),
      ...(rateLimit ? [rateLimit] : []),
      ...(route.body ? [readBody] : []),
      route.isStream ? serveStream : serveOnce,
    ]
    router.register(path, [route.method], async ctx => {
      for (const step of steps) await step(ctx)
    })
  }
  return router
}

function bodyOf(ctx: Context, route: Route): unknown {
  const body: unknown = ctx.request.body
  if (!route.body || body !== undefined) return body
  if (route.bodyOptional) return {}
  throw new ExpectedError('malformed-json', 'The request has no body; this operation requires a JSON body')
}

/** Which request it is, for the log and whoever reads it, and what every answer says to browsers. */
function beginAnswer(): Middleware {
  const headers = securityHeaders()
  return (ctx, next) => {
    const requestId = requestIdOf(ctx.req.headers['x-request-id'])
    ctx.state['requestId'] = requestId
    ctx.res.setHeader('X-Request-Id', requestId)
    for (const [name, value] of headers) ctx.res.setHeader(name, value)
    return withLogContext({ request_id: requestId }, next)
  }
}

function answerErrors(log: Logger): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      answer(ctx, error, log)
    }
  }
}

function answer(ctx: Context, error: unknown, log: Logger): void {
  const requestId: string = ctx.state['requestId']
  const expected = error instanceof ExpectedError ? error : undefined
  if (!expected) log.error({ err: error, method: ctx.method, path: ctx.path }, 'request failed on a bug')
  else if (expected.cause instanceof Error)
    log.warn({ code: expected.code, cause: expected.cause.message }, expected.message)
  const problem = expected
    ? problemOf(expected.code, expected.message, requestId, expected.fields)
    : problemOf('internal', problems.internal.example.detail, requestId)
  ctx.status = problem.status
  const retryAfter =
    expected instanceof TooManyRequests ? expected.seconds : retryAfterSeconds(problem.code as ProblemCode)
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
  ctx.body = problem
  ctx.type = 'application/problem+json'
}

function limitPath(): Middleware {
  return (ctx, next) => {
    if (ctx.url.length > MAX_URL_LENGTH) throw expectedError('path-too-long')
    return next()
  }
}

function logRequests(log: Logger): Middleware {
  return async (ctx, next) => {
    const started = performance.now()
    try {
      await next()
    } finally {
      const ms = Math.round((performance.now() - started) * 10) / 10
      ctx.res.once('close', () => {
        log.debug(
          {
            request_id: ctx.state['requestId'],
            trace_id: ctx.state['traceId'],
            method: ctx.method,
            path: ctx.path,
            status: ctx.status,
            ms,
          },
          'request',
        )
      })
    }
  }
}

/** Nothing has answered: the path is not there, or does not take the method. */
function refuseUnrouted(routers: readonly Router[]): Middleware {
  return ctx => {
    const methods = new Set(
      routers.flatMap(router => router.match(ctx.path, ctx.method).path.flatMap(({ methods }) => methods)),
    )
    if (methods.size === 0)
      throw new ExpectedError('route-not-found', `The API has no path ${ctx.path}; /docs lists all paths`)
    const allow = [...methods, 'OPTIONS'].join(', ')
    ctx.set('Allow', allow)
    if (ctx.method === 'OPTIONS') {
      ctx.status = 204
      return
    }
    throw new ExpectedError('method-not-allowed', `${ctx.path} supports ${allow}, not ${ctx.method}`, {
      allowed_methods: [...methods],
    })
  }
}
