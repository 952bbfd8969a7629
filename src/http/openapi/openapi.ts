import { z } from 'zod'
import { createDocument } from 'zod-openapi'
import { type Config, rateLimitOf } from '../../platform/config.ts'
import { idempotencyKeyHeader } from '../idempotency.ts'
import { type ProblemCode, problemOf, problemSchema, problems, retryAfterSeconds } from '../problem.ts'
import { type Route, STREAM_TYPE } from '../route.ts'

const EXAMPLE_REQUEST_ID = '019a0000-0000-7000-8000-00000000abcd'

type DocumentedError = Omit<Route['errors'][number], 'code'> & { code: ProblemCode }

/** What any operation may answer, and what those with a body may. */
const everyOperation: DocumentedError[] = [
  { code: 'overloaded', detail: 'The queue for new orders is full; try again in a moment' },
  { code: 'database-unavailable', detail: 'The database cannot be reached just now; try again in a moment' },
  {
    code: 'internal',
    detail: 'The request could not be carried out; the log has the cause under the request id',
  },
]
const withBody: DocumentedError[] = [
  {
    code: 'malformed-json',
    detail: 'The body could not be read as one JSON value in UTF-8; check quotes, commas and brackets',
  },
  {
    code: 'json-too-deep',
    detail: 'Lists and objects may be nested 32 levels deep',
    fields: { limit_depth: 32 },
  },
  { code: 'unsupported-media-type', detail: 'Send the body as application/json in UTF-8' },
  { code: 'payload-too-large', detail: 'A body may have 262144 bytes', fields: { limit_bytes: 262_144 } },
]

/** What those that change something may answer. */
const changing: DocumentedError[] = [
  {
    code: 'idempotency-key-invalid',
    detail: 'An Idempotency-Key has 1 to 255 visible ASCII characters, and comes once',
  },
  {
    code: 'idempotency-key-in-flight',
    detail:
      'A request with this Idempotency-Key is being carried out; send it again in a moment for its answer',
  },
  {
    code: 'idempotency-key-reused',
    detail: 'This Idempotency-Key was sent with another request before; choose a new key for a new request',
  },
]

const guarded: DocumentedError[] = [
  { code: 'unauthenticated', detail: 'Send an `Authorization: Bearer …` header' },
  {
    code: 'too-many-failed-logins',
    detail: 'Too many wrong tokens came from your address; go on in 42 s',
  },
]
const forbidden = { code: 'forbidden', detail: 'This call needs a scope which you have not' } as const
const authUnavailable: DocumentedError = {
  code: 'auth-unavailable',
  detail: 'The keys of the token issuer cannot be fetched just now',
}

function bearerScheme(mode: 'jwt' | 'api-key') {
  const description =
    mode === 'jwt'
      ? 'A token of the issuer, with the scopes in `scope`'
      : 'A key that `npm run keys` has made, with the scopes it was made with'
  return {
    securitySchemes: {
      bearer: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: mode === 'jwt' ? 'JWT' : 'API key',
        description,
      },
    },
  } as const
}

const rateLimited: DocumentedError = {
  code: 'rate-limited',
  detail: 'You may send 6000 requests in 60 s; go on in 12 s',
  fields: { limit_count: 6_000, window_seconds: 60 },
}

const inQuery: DocumentedError[] = [
  {
    code: 'query-invalid',
    detail: 'limit: must be a whole number from 1 to 100',
    fields: { errors: [{ parameter: 'limit', detail: 'must be a whole number from 1 to 100' }] },
  },
  {
    code: 'cursor-invalid',
    detail:
      'This cursor was not given out for this list; start again without one, and follow the Link headers',
  },
]

const stale: DocumentedError = {
  code: 'stale-version',
  detail: 'The order has changed since: it is at "3" now; look at it and decide anew',
  fields: { current_etag: '"3"' },
}

const keyMissing: DocumentedError = {
  code: 'idempotency-key-missing',
  detail: 'This call needs an Idempotency-Key header, so that it can be sent again safely',
}

/** What depends on how the API is configured. */
export type DocumentOptions = Partial<
  Pick<Config, 'REQUIRE_IDEMPOTENCY_KEY' | 'AUTH_MODE' | 'RATE_LIMIT_PER_MINUTE'>
>

/** The OpenAPI 3.1 document, made of the same schemas that check requests. */
export function openApiDocument(routes: readonly Route[], version: string, options: DocumentOptions = {}) {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route, options) }
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Comanda',
      version,
      description:
        'Orders for restaurants: taken in milliseconds, their stock deducted and restored behind the scenes.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'this server' }],
    tags: [
      { name: 'Orders', description: 'Place, follow, move on and cancel orders' },
      { name: 'Restaurants', description: 'Restaurants and their menus' },
      { name: 'Inventory', description: 'Restaurants, their menus and what is in stock' },
      {
        name: 'Webhooks',
        description: 'Have events sent to a URL of yours, signed, in order and until they arrive',
      },
    ],
    security: [],
    ...(options.AUTH_MODE && options.AUTH_MODE !== 'none'
      ? { components: bearerScheme(options.AUTH_MODE) }
      : {}),
    paths,
  })
}

const ifMatchHeader = z.string().meta({
  description: 'The `ETag` that you have seen: if it is another by now, nothing is changed',
})

const lastEventIdHeader = z.string().meta({
  description: 'The `id` of the last event that you have seen: the stream goes on behind it',
})

/** What a stream may answer instead of beginning. */
const resumeInvalid: DocumentedError = {
  code: 'resume-point-invalid',
  detail: 'This Last-Event-ID was not given out by this stream; connect without one for a snapshot',
}
const tooManyStreams: DocumentedError = {
  code: 'too-many-streams',
  detail: 'You have 500 streams open here, and may have 500; close one first',
  fields: { limit_count: 500 },
}

function operation(route: Route, options: DocumentOptions) {
  const { REQUIRE_IDEMPOTENCY_KEY: requireIdempotencyKey = false, AUTH_MODE = 'none' } = options
  const isChange = route.method !== 'get'
  const headers = z.object({
    ...(isChange
      ? { 'Idempotency-Key': requireIdempotencyKey ? idempotencyKeyHeader : idempotencyKeyHeader.optional() }
      : {}),
    ...(route.conditional ? { 'If-Match': ifMatchHeader.optional() } : {}),
    ...(route.isStream ? { 'Last-Event-ID': lastEventIdHeader.optional() } : {}),
  })
  const { params, query, body, errors, operationId, summary, description, tag } = route
  return {
    operationId,
    summary,
    description,
    tags: [tag],
    ...(AUTH_MODE === 'none' ? {} : { security: [{ bearer: [route.scope] }] }),
    requestParams: {
      ...(params ? { path: params } : {}),
      ...(query ? { query } : {}),
      ...(isChange || route.isStream ? { header: headers } : {}),
    },
    ...(body
      ? { requestBody: { required: !route.bodyOptional, content: { 'application/json': { schema: body } } } }
      : {}),
    responses: {
      ...success(route, isChange),
      ...failures([
        ...errors,
        ...(body ? withBody : []),
        ...(isChange ? changing : []),
        ...(route.conditional ? [stale] : []),
        ...(query ? inQuery.filter(({ code }) => code !== 'cursor-invalid' || 'cursor' in query.shape) : []),
        ...(route.isStream ? [resumeInvalid] : []),
        ...(route.isStream && AUTH_MODE !== 'none' ? [tooManyStreams] : []),
        ...(isChange && requireIdempotencyKey ? [keyMissing] : []),
        ...(AUTH_MODE === 'none'
          ? []
          : [...guarded, { ...forbidden, fields: { required_scope: route.scope } }]),
        ...(AUTH_MODE === 'jwt' ? [authUnavailable] : []),
        ...(rateLimitOf(options) === undefined ? [] : [rateLimited]),
        ...everyOperation,
      ]),
    },
  }
}

function success(
  {
    status,
    statusDescription,
    replySchema,
    replyExample,
    replyHeaders = {},
    optionalReplyHeaders = {},
    isStream = false,
  }: Route,
  isChange: boolean,
) {
  const headers = Object.entries(replyHeaders).map(([name, description]) => [name, header(description)])
  const optional = Object.entries(optionalReplyHeaders).map(([name, description]) => [
    name,
    { ...header(description), required: false },
  ])
  return {
    [status]: {
      description: statusDescription,
      headers: {
        'X-Request-Id': requestIdHeader,
        ...Object.fromEntries(headers),
        ...Object.fromEntries(optional),
        ...(isChange ? { 'Idempotency-Replayed': replayedHeader } : {}),
      },
      ...(replySchema
        ? {
            content: {
              [isStream ? STREAM_TYPE : 'application/json']: { schema: replySchema, example: replyExample },
            },
          }
        : {}),
    },
  }
}

/** A header that the answer always has. */
function header(description: string) {
  return { description, required: true, schema: { type: 'string' } } as const
}

const requestIdHeader = header('Names this request in the log')
const retryAfterHeader = header('Seconds')
const replayedHeader = {
  description: '`true` when this is the answer to an earlier request with the same Idempotency-Key',
  schema: { type: 'string', enum: ['true'] },
} as const

/** One response a status, with an example for each code that has it. */
function failures(errors: DocumentedError[]) {
  const byStatus = Map.groupBy(errors, ({ code }) => problems[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      {
        description: those.map(({ code }) => problems[code].title).join('; '),
        headers: {
          'X-Request-Id': requestIdHeader,
          ...retryAfterHeaders(those),
        },
        content: { 'application/problem+json': { schema: problemSchema, examples: examples(those) } },
      },
    ]),
  )
}

/** Promised where each problem of the status has it. */
function retryAfterHeaders(errors: DocumentedError[]) {
  const those = errors.filter(
    ({ code }) => problems[code].status === 429 || retryAfterSeconds(code) !== undefined,
  )
  if (those.length === 0) return {}
  return { 'Retry-After': { ...retryAfterHeader, required: those.length === errors.length } }
}

function examples(errors: DocumentedError[]) {
  return Object.fromEntries(
    errors.map(({ code, detail, fields }) => [
      code,
      { summary: problems[code].title, value: problemOf(code, detail, EXAMPLE_REQUEST_ID, fields) },
    ]),
  )
}
