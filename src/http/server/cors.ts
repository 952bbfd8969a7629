import cors from '@koa/cors'
import type { Middleware } from 'koa'

/** Time that a browser may cache the response to a preflight. */
const MAX_AGE_SECONDS = 600

/** Response headers that pages may read besides the safelisted ones. */
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

/** Request headers that pages may send besides the safelisted ones. */
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
 * Allows pages of these origins to call the API (CORS). Preflights are answered without
 * authentication. Credentials are never allowed: pages send their token in a header.
 * @param origins as browsers send them, e.g. `https://till.example`
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
