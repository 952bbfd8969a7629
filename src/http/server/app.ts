import { createHash } from 'node:crypto'
import Router from '@koa/router'
import Koa, { type Context, type Middleware } from 'koa'
import { ExpectedError, MethodNotImplemented, TooManyRequests } from '../../platform/errors.ts'
import { type Logger, withLogContext } from '../../platform/log.ts'
import { isTracing } from '../../platform/tracing.ts'
import { authorize } from '../auth/authenticate.ts'
import { PATCH_TYPES } from '../body.ts'
import { answerConditionally, parseConditions } from '../conditions.ts'
import { MAX_URL_LENGTH } from '../limits.ts'
import { isHttpMethod } from '../methods.ts'
import { expectedError, problemOf, retryAfterSeconds } from '../problem.ts'
import { problems } from '../problem-catalogue.ts'
import type { ProblemCode } from '../problem-entry.ts'
import { decodePercent } from '../query-string.ts'
import type { RequestStep } from '../route.ts'
import { type ApiOptions, apiRouter } from './api-router.ts'
import { allowOrigins } from './cors.ts'
import type { HttpMetrics } from './metrics.ts'
import { requestIdOf } from './request-id.ts'
import { requireHost } from './require-host.ts'
import { securityHeaders } from './security-headers.ts'
import { traceRequests } from './trace-requests.ts'

export interface AppOptions extends ApiOptions {
  /** pages beside the API: open, for authenticated callers, and for callers with the scope `ops` */
  pages: { open: Router[]; callers: Router[]; operators: Router[] }
  metrics: HttpMetrics
  /** number of trusted reverse proxies; with the default 0, `X-Forwarded-For` is ignored */
  trustedProxyCount?: number
  /** allowed `Host` names in lower case; by default any */
  allowedHosts?: ReadonlySet<string> | undefined
  /** origins whose pages may call the API; by default none */
  corsOrigins?: readonly string[]
  log: Logger
}

/** Creates the Koa application. Every error response is a problem document. */
export function createApp(options: AppOptions): Koa {
  const {
    pages,
    authenticator,
    sessions,
    metrics,
    corsOrigins = [],
    trustedProxyCount = 0,
    allowedHosts,
    basePath = '',
    log,
  } = options
  // Only the last addresses of the header come from trusted proxies; clients can forge the others.
  const app = new Koa({ proxy: trustedProxyCount > 0, maxIpsCount: trustedProxyCount })
  const api = apiRouter(options)
  const routers = [api, ...pages.open, ...pages.callers, ...pages.operators]
  app.use(setCommonHeaders())
  if (isTracing()) app.use(traceRequests())
  app.use(metrics.middleware())
  app.use(renderErrors(log, basePath))
  if (log.isLevelEnabled('debug')) app.use(logRequests(log))
  if (corsOrigins.length > 0) app.use(allowOrigins(corsOrigins))
  app.use(requireHost(allowedHosts))
  app.use(checkUrl())
  // The busiest router comes first, because each router tries all of its routes.
  app.use(api.routes())
  for (const router of pages.operators) app.use(guarded(router, authorize(authenticator, sessions, 'ops')))
  app.use(tagPages())
  for (const router of pages.open) app.use(router.routes())
  if (sessions) app.use(leadToSignIn())
  for (const router of pages.callers) app.use(guarded(router, authorize(authenticator, sessions)))
  app.use(rejectUnrouted(routers, basePath))
  // Errors that get here occurred while a response was being sent.
  app.on('error', (error: Error) => log.warn({ error: error.message }, 'response aborted'))
  return app
}

/** Serves the pages of a router after the guard. */
function guarded(router: Router, guard: RequestStep): Middleware {
  const serve = router.routes()
  return async (ctx, next) => {
    if (!router.match(ctx.path, ctx.method).route) return await next()
    await guard(ctx)
    // The router matches the route a second time.
    await serve(ctx as never, next)
  }
}

/** Pages that a person opens by their address. */
const PAGES = new Set(['/', '/docs', '/docs/'])

/**
 * Leads a person without a session from a page to the sign-in of the board, and back afterwards.
 * The URL is relative, so that it works under any path of a proxy.
 */
function leadToSignIn(): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      const isNavigation = PAGES.has(ctx.path) && ctx.req.headers['sec-fetch-mode'] === 'navigate'
      const isSignedOut = error instanceof ExpectedError && error.code === 'unauthenticated'
      if (!isNavigation || !isSignedOut) throw error
      ctx.redirect(`${ctx.path === '/docs/' ? '../' : ''}board?next=docs`)
    }
  }
}

/** Sets the request id and the security headers, and adds the request id to the log context. */
function setCommonHeaders(): Middleware {
  const headers = securityHeaders()
  return (ctx, next) => {
    const requestId = requestIdOf(ctx.req.headers['x-request-id'])
    ctx.state['requestId'] = requestId
    ctx.res.setHeader('X-Request-Id', requestId)
    for (const [name, value] of headers) ctx.res.setHeader(name, value)
    return withLogContext({ request_id: requestId }, next)
  }
}

function renderErrors(log: Logger, basePath: string): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      renderError(ctx, error, log, basePath)
    }
  }
}

function renderError(ctx: Context, error: unknown, log: Logger, basePath: string): void {
  const requestId: string = ctx.state['requestId']
  const expected = error instanceof ExpectedError ? error : undefined
  if (!expected)
    log.error({ err: error, method: ctx.method, path: ctx.path }, 'request failed on an unexpected error')
  else if (expected.cause instanceof Error)
    log.warn({ code: expected.code, cause: expected.cause.message }, expected.message)
  const problem = expected
    ? problemOf(expected.code, expected.message, requestId, expected.fields, basePath)
    : problemOf('internal', problems.internal.example.detail, requestId, {}, basePath)
  ctx.status = problem.status
  const retryAfter =
    expected instanceof TooManyRequests ? expected.seconds : retryAfterSeconds(problem.code as ProblemCode)
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter))
  ctx.body = problem
  ctx.type = 'application/problem+json'
}

/** Adds an entity tag to pages and documents, and answers 304 to clients that have them already. */
function tagPages(): Middleware {
  return async (ctx, next) => {
    await next()
    const { body } = ctx
    const isPage = ctx.status === 200 && (typeof body === 'string' || Buffer.isBuffer(body))
    if (!isPage) return
    ctx.set('ETag', `"${createHash('sha256').update(body).digest('hex')}"`)
    answerConditionally(ctx, parseConditions(ctx.req.headers), 'page')
  }
}

function checkUrl(): Middleware {
  return (ctx, next) => {
    if (ctx.url.length > MAX_URL_LENGTH) throw expectedError('path-too-long')
    if (decodePercent(ctx.path) === undefined)
      throw new ExpectedError('malformed-request', 'The path is not percent-encoded UTF-8')
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

/** Responds to requests that no router has served: OPTIONS, 404, 405 and 501. */
function rejectUnrouted(routers: readonly Router[], basePath: string): Middleware {
  return ctx => {
    if (!isHttpMethod(ctx.method)) throw new MethodNotImplemented(ctx.method)
    const path = basePath + ctx.path
    const methods = new Set(
      routers.flatMap(router => router.match(ctx.path, ctx.method).path.flatMap(({ methods }) => methods)),
    )
    if (methods.size === 0)
      throw new ExpectedError(
        'route-not-found',
        `The API has no path ${path}; ${basePath}/docs lists all paths`,
      )
    const allow = [...methods, 'OPTIONS'].join(', ')
    ctx.set('Allow', allow)
    if (methods.has('PATCH')) ctx.set('Accept-Patch', PATCH_TYPES.join(', '))
    if (ctx.method === 'OPTIONS') {
      ctx.status = 204
      return
    }
    throw new ExpectedError('method-not-allowed', `${path} supports ${allow}, not ${ctx.method}`, {
      allowed_methods: [...methods],
    })
  }
}
