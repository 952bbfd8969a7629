import cors from '@koa/cors'
import type { Middleware } from 'koa'

/** How long a browser may keep the answer to a preflight. */
const MAX_AGE_SECONDS = 600

/** What pages may read of an answer, beside what every page may (Content-Type and the like). */
const EXPOSED = [
  'Location',
  'ETag',
  'Link',
  'Allow',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Idempotency-Replayed',
  'X-Request-Id',
]

/** What pages may send, beside what every page may. */
const ALLOWED = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'Last-Event-ID',
  'X-Request-Id',
  'Traceparent',
]

/**
 * Lets pages of these origins call (CORS); a preflight is answered here, before anybody is asked who they are. Cookies and
 * the browser's own logins are never part of it: tokens come in a header, from the page itself.
 * @param origins as a browser sends them, e.g. `https://till.example`
 */
export function allowOrigins(origins: readonly string[]): Middleware {
  const allowed = new Set(origins)
  return cors({
    origin: ctx => {
      const origin = ctx.get('Origin')
      return allowed.has(origin) ? origin : ''
    },
    allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowHeaders: ALLOWED,
    exposeHeaders: EXPOSED,
    maxAge: MAX_AGE_SECONDS,
    credentials: false,
    keepHeadersOnError: false,
  })
}
