import Router from '@koa/router'
import type { Context } from 'koa'
import { requireScope } from '../../platform/caller.ts'
import { ExpectedError } from '../../platform/errors.ts'
import { type Authenticator, authorize, reauthorize } from '../auth/authenticate.ts'
import type { Sessions } from '../auth/sessions.ts'
import { jsonBody } from '../body.ts'
import { answerConditionally, type Conditions, parseConditions } from '../conditions.ts'
import { parseIdempotencyKey } from '../idempotency.ts'
import type { RequestStep, Route } from '../route.ts'
import type { RouteReply, StreamReply } from '../route-reply.ts'
import { streamHeaders } from '../sse/event-stream.ts'
import type { EventStreams } from '../sse/event-streams.ts'

export interface ApiOptions {
  routes: readonly Route[]
  /** runs after authentication, per caller */
  rateLimit?: RequestStep | undefined
  /** by default, every client may do everything */
  authenticator?: Authenticator | undefined
  /** sessions of the pages; by default none */
  sessions?: Sessions | undefined
  /** holds the open event streams */
  streams?: EventStreams
  /** Requests that change something require an `Idempotency-Key`. */
  requireIdempotencyKey?: boolean
  /** slots that this API serves; by default all */
  servedSlots?: ReadonlySet<string> | undefined
  /** path of the public URL, which a proxy has removed from the paths of requests */
  basePath?: string
}

/** Returns a router that serves the routes: authentication, rate limit, body, then the handler. */
export function apiRouter(options: ApiOptions): Router {
  const {
    routes,
    authenticator,
    sessions,
    rateLimit,
    streams,
    requireIdempotencyKey = false,
    servedSlots,
    basePath = '',
  } = options
  const router = new Router()
  const readBody = jsonBody()
  for (const route of routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const resource = route.resource?.replace('-', ' ') ?? ''
    const handle = (ctx: Context, conditions: Conditions = {}) =>
      route.serve({
        params: ctx['params'],
        path: basePath + ctx.path.replace(/\/$/, ''),
        querystring: ctx.querystring,
        body: bodyOf(ctx, route),
        trace: ctx.state['trace'] ?? { request_id: ctx.state['requestId'] },
        caller: ctx.state['caller'],
        conditions,
        servedSlots,
        // An empty id means none, as in browsers.
        lastEventId: (ctx.req.headers['last-event-id'] as string | undefined) || undefined,
        idempotencyKey:
          route.method === 'get'
            ? undefined
            : parseIdempotencyKey(
                ctx.req.headers['idempotency-key'] as string | undefined,
                requireIdempotencyKey,
              ),
      })
    const serveOnce: RequestStep = async ctx => {
      const conditions = route.conditional ? parseConditions(ctx.req.headers) : {}
      const { body, headers = {} } = (await handle(ctx, conditions)) as RouteReply<unknown>
      ctx.status = route.status
      ctx.set(headers)
      ctx.body = route.status === 204 ? null : body
      if (route.conditional && route.method === 'get') answerConditionally(ctx, conditions, resource)
    }
    const serveStream: RequestStep = async ctx => {
      const prepare = async () => (await handle(ctx)) as StreamReply
      const recheck = reauthorize(ctx, authenticator, sessions, route.scope)
      const isOpen =
        ctx.method === 'HEAD'
          ? (await prepare()).start !== undefined
          : await streams?.open(ctx.res, ctx.state['caller'], recheck, prepare)
      if (isOpen && ctx.method !== 'HEAD') {
        ctx.respond = false
        return
      }
      ctx.status = isOpen ? 200 : 204
      ctx.set(isOpen ? streamHeaders : NOT_STORED)
    }
    // Unauthenticated requests are rejected before their body is read.
    const steps = [
      authorize(authenticator, sessions),
      // Forbidden requests count too.
      ...(rateLimit ? [rateLimit] : []),
      (ctx: Context) => requireScope(ctx.state['caller'], route.scope),
      ...(route.body ? [readBody] : []),
      route.isStream ? serveStream : serveOnce,
    ]
    router.register(path, [route.method], async ctx => {
      for (const step of steps) await step(ctx)
    })
  }
  return router
}

/** A stored 204 would answer requests without a `Last-Event-ID`, which get a snapshot. */
const NOT_STORED = { 'Cache-Control': 'no-store' }

function bodyOf(ctx: Context, route: Route): unknown {
  const body: unknown = ctx.request.body
  if (!route.body || body !== undefined) return body
  if (route.bodyOptional) return {}
  throw new ExpectedError('malformed-json', 'The request has no body; this operation requires a JSON body')
}
