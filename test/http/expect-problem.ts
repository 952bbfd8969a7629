import { expect } from 'chai'
import { problems } from '../../src/http/problem-catalogue.ts'
import type { ProblemCode } from '../../src/http/problem-entry.ts'
import type { FieldError } from '../../src/platform/errors.ts'
import type { RawReply } from './send.ts'

/** Internals that no response may contain: SQL, database errors, stacks, file paths. */
const INTERNALS = [
  /\b(select|insert into|update|delete from)\b.*\b(from|values|set|where)\b/is,
  /violates|constraint|relation "|syntax error|invalid input syntax|byte sequence|out of range/i,
  /\bat [^\d]+:\d+:\d+|node_modules|node:internal|file:\/\//,
  /\/(src|work|home|usr|tmp|app)\/|\.[cm]?[jt]s\b|[A-Z]:\\/,
  /\b(Type|Range|Syntax|Reference|QueryFailed|Zod)Error\b|ECONN/,
]

/** The status of each code, written down independently of the catalogue. */
const statuses = {
  'malformed-json': 400,
  'json-too-deep': 422,
  'validation-failed': 422,
  'query-invalid': 400,
  'cursor-invalid': 400,
  'unsupported-media-type': 415,
  'payload-too-large': 413,
  unauthenticated: 401,
  forbidden: 403,
  'auth-unavailable': 503,
  'rate-limited': 429,
  'too-many-failed-logins': 429,
  'path-too-long': 414,
  'route-not-found': 404,
  'method-not-allowed': 405,
  'method-not-implemented': 501,
  'restaurant-not-found': 404,
  'menu-item-not-found': 404,
  'order-not-found': 404,
  'tracking-link-invalid': 403,
  'tracking-link-expired': 410,
  'webhook-not-found': 404,
  'operations-unavailable': 403,
  'queue-not-found': 404,
  'job-not-found': 404,
  'change-refused': 409,
  'action-not-found': 404,
  'unexpected-count': 409,
  'too-many-secrets': 409,
  'delivery-not-found': 404,
  'idempotency-key-missing': 400,
  'idempotency-key-invalid': 400,
  'idempotency-key-in-flight': 409,
  'idempotency-key-reused': 422,
  'client-reference-reused': 409,
  'restaurant-inactive': 409,
  'slot-not-served': 421,
  'stock-short': 409,
  'inventory-pending': 409,
  'illegal-transition': 409,
  'order-not-preparing': 409,
  'too-many-ready-changes': 409,
  'precondition-invalid': 400,
  'stale-version': 412,
  'precondition-failed': 412,
  'resume-point-invalid': 400,
  'too-many-streams': 429,
  overloaded: 503,
  'not-ready': 503,
  'database-unavailable': 503,
  'host-not-allowed': 421,
  'malformed-request': 400,
  'request-timeout': 408,
  'headers-too-large': 431,
  internal: 500,
} as const satisfies Record<ProblemCode, number>

export interface ExpectedProblem {
  code: ProblemCode
  /** errors that the response must contain */
  errors?: FieldError[]
}

/** Expects a complete problem document with this code and without internals. */
export function expectProblem(reply: RawReply, { code, errors }: ExpectedProblem): void {
  const { title } = problems[code]
  expect(reply.status, reply.text.slice(0, 500)).to.equal(statuses[code])
  expect(reply.headers['content-type']).to.match(/^application\/problem\+json\b/)
  const body = JSON.parse(reply.text) as Record<string, unknown> & { errors?: FieldError[] }
  expect(body).to.include({ type: `/problems/${code}`, title, code, status: reply.status })
  expect(body['detail']).to.be.a('string').and.not.equal('')
  expect(body['request_id']).to.equal(reply.headers['x-request-id'])
  for (const internals of INTERNALS) expect(reply.text).not.to.match(internals)
  if (errors) expect(body.errors, reply.text.slice(0, 500)).to.deep.include.members(errors)
}
