import { z } from 'zod'
import type { ErrorCode } from '../platform/errors.ts'

/** Besides the expected errors: a bug, and what is no request at all (`client-error.ts`). */
export type ProblemCode =
  | ErrorCode
  | 'internal'
  | 'malformed-request'
  | 'headers-too-large'
  | 'request-timeout'

/** How each error looks over HTTP (RFC 9457). A code forgotten here does not compile. */
export const problems = {
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'json-too-deep': { status: 422, title: 'The body is nested too deep' },
  'validation-failed': { status: 422, title: 'The request has values that cannot be accepted' },
  'query-invalid': { status: 400, title: 'The query has values that cannot be accepted' },
  'cursor-invalid': { status: 400, title: 'The cursor is not one of this list' },
  'unsupported-media-type': { status: 415, title: 'The body is not of an accepted type' },
  'payload-too-large': { status: 413, title: 'The body is too large' },
  unauthenticated: { status: 401, title: 'Who is calling is not known' },
  forbidden: { status: 403, title: 'The caller may not do this' },
  'auth-unavailable': { status: 503, title: 'Who is calling cannot be found out' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'too-many-failed-logins': { status: 429, title: 'Too many wrong tokens' },
  'path-too-long': { status: 414, title: 'The path and query are too long' },
  'route-not-found': { status: 404, title: 'There is nothing at this path' },
  'method-not-allowed': { status: 405, title: 'The path does not take this method' },
  'restaurant-not-found': { status: 404, title: 'No such restaurant' },
  'menu-item-not-found': { status: 404, title: 'No such menu item' },
  'order-not-found': { status: 404, title: 'No such order' },
  'webhook-not-found': { status: 404, title: 'No such webhook' },
  'delivery-not-found': { status: 404, title: 'No such delivery' },
  'idempotency-key-missing': { status: 400, title: 'The request needs an Idempotency-Key' },
  'idempotency-key-invalid': { status: 400, title: 'The Idempotency-Key cannot be used' },
  'idempotency-key-in-flight': { status: 409, title: 'The same request is being carried out' },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key belongs to another request' },
  'restaurant-inactive': { status: 409, title: 'The restaurant takes no orders' },
  'inventory-pending': { status: 409, title: 'Stock has not been deducted yet' },
  'illegal-transition': { status: 409, title: 'The order cannot go there from where it is' },
  'stale-version': { status: 412, title: 'It has changed since you looked' },
  'resume-point-invalid': { status: 400, title: 'The Last-Event-ID is not one of this stream' },
  'too-many-streams': { status: 429, title: 'Too many streams' },
  overloaded: { status: 503, title: 'Too much to do at the moment' },
  'not-ready': { status: 503, title: 'Not ready to take requests' },
  'database-unavailable': { status: 503, title: 'The database cannot be reached' },
  'host-not-allowed': { status: 421, title: 'The API does not go by this name' },
  'malformed-request': { status: 400, title: 'This is not a request' },
  'request-timeout': { status: 408, title: 'The request took too long to come' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'Something went wrong here' },
} as const satisfies Record<ProblemCode, { status: number; title: string }>

/** Seconds after which a request may be sent again, where that helps. */
const RETRY_AFTER_SECONDS = 1

/** The `Retry-After` of a problem, in seconds; undefined where sending the same again does not help. */
export function retryAfterSeconds(code: ProblemCode): number | undefined {
  return problems[code].status === 503 || code === 'idempotency-key-in-flight'
    ? RETRY_AFTER_SECONDS
    : undefined
}

export const problemSchema = z
  .looseObject({
    type: z.string().meta({
      description: 'Stable reference of the kind of problem',
      example: '/problems/illegal-transition',
    }),
    title: z.string().meta({ description: 'The kind of problem, in words' }),
    status: z.int().meta({ description: 'HTTP status', example: 409 }),
    detail: z.string().meta({ description: 'What happened this time, and what to do' }),
    code: z.string().meta({ description: 'The last part of `type`', example: 'illegal-transition' }),
    request_id: z.string().meta({ description: 'Names this request in the log' }),
    errors: z
      .array(
        z.object({
          pointer: z
            .string()
            .optional()
            .meta({ description: 'JSON Pointer (RFC 6901) into the body', example: '/items/0/quantity' }),
          parameter: z
            .string()
            .optional()
            .meta({ description: 'Name of the query parameter, when it is about one', example: 'limit' }),
          detail: z.string().meta({ example: 'must not be less than 1' }),
        }),
      )
      .optional()
      .meta({ description: 'Every value that cannot be accepted' }),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' })

export type Problem = z.infer<typeof problemSchema>

/** The body of an error answer. It never holds SQL, a stack or a path: only what was written for the reader. */
export function problemOf(
  code: ProblemCode,
  detail: string,
  requestId: string,
  fields: Readonly<Record<string, unknown>> = {},
): Problem {
  const { status, title } = problems[code]
  return { type: `/problems/${code}`, title, status, detail, code, request_id: requestId, ...fields }
}
