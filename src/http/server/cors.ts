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
  'Accept-Patch',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Idempotency-Replayed',
  'X-Request-Id',
  'WWW-Authenticate',
]

/** Request headers that pages may send besides the safelisted ones. */
const ALLOWED = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'X-Request-Id',
  'Tracking-Token',
  'Traceparent',
  'Tracestate',
  'Baggage',
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
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ALLOWED,
    exposeHeaders: EXPOSED,
    maxAge: MAX_AGE_SECONDS,
    credentials: false,
    keepHeadersOnError: false,
  })
}

/**
 * Returns the CORS headers of a response to a request that the HTTP parser rejected.
 * @param origins allowed origins
 * @param packet the bytes that the parser has rejected, with or without the `Origin` header.
 *   Without it, the only allowed origin is named, which is right for its pages and useless to any
 *   other.
 */
export function corsHeadersOf(origins: readonly string[], packet: string): string[] {
  const [, origin = origins.length === 1 ? origins[0] : undefined] = ORIGIN.exec(packet) ?? []
  if (origin === undefined || !origins.includes(origin)) return []
  return [
    `Access-Control-Allow-Origin: ${origin}`,
    `Access-Control-Expose-Headers: ${EXPOSED.join(',')}`,
    'Vary: Origin',
  ]
}

const ORIGIN = /\norigin:[ \t]*([^\r\n]*?)[ \t]*\r?\n/i
