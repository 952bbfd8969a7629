import { basePathOf, type Config, rateLimitOf } from '../../platform/config.ts'
import { type ExpectedError, MissingScope, QueryInvalid } from '../../platform/errors.ts'
import { namesSlot } from '../assert-served.ts'
import { problemOf, problemSchema } from '../problem.ts'
import { problems } from '../problem-catalogue.ts'
import type { ProblemCode, ProblemEntry } from '../problem-entry.ts'
import type { DocumentedError, Route } from '../route.ts'
import { header, requestIdHeader } from './response-headers.ts'

const EXAMPLE_REQUEST_ID = '019a0000-0000-7000-8000-00000000abcd'

/** The settings that the API's contract depends on. */
export type DocumentOptions = Partial<
  Pick<
    Config,
    | 'PUBLIC_URL'
    | 'REQUIRE_IDEMPOTENCY_KEY'
    | 'AUTH_MODE'
    | 'RATE_LIMIT_PER_MINUTE'
    | 'CELL_SLOTS'
    | 'OPERATIONS_DATABASE_URL'
  >
>

/** Returns the error responses of an operation by status, each with one example per problem. */
export function errorResponses(route: Route, options: DocumentOptions) {
  const basePath = options.PUBLIC_URL ? basePathOf({ PUBLIC_URL: options.PUBLIC_URL }) : ''
  const examples = documentedErrors(route, options).map(error => exampleOf(error, basePath))
  const byStatus = Map.groupBy(examples, ({ status }) => status)
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map(({ title }) => title).join('; '),
        headers: { 'X-Request-Id': requestIdHeader, ...retryAfterHeader(group) },
        content: {
          'application/problem+json': {
            schema: problemSchema,
            examples: Object.fromEntries(
              group.map(({ code, title, value }) => [code, { summary: title, value }]),
            ),
          },
        },
      },
    ]),
  )
}

/**
 * Returns the errors that the route declares and those that its properties and the configuration
 * imply.
 */
function documentedErrors(route: Route, options: DocumentOptions): DocumentedError[] {
  const { REQUIRE_IDEMPOTENCY_KEY: requiresKey = false, AUTH_MODE: authMode = 'none', CELL_SLOTS } = options
  const { params, body, query, conditional, isStream, scope, errors } = route
  const isChange = route.method !== 'get'
  const isAuthenticated = authMode !== 'none'
  const implied: [boolean | undefined, DocumentedError[]][] = [
    [body !== undefined, ['malformed-json', 'json-too-deep', 'unsupported-media-type', 'payload-too-large']],
    [isChange, ['idempotency-key-invalid', 'idempotency-key-in-flight', 'idempotency-key-reused']],
    [conditional, ['precondition-invalid', 'stale-version']],
    [conditional && isChange, ['precondition-failed']],
    [true, [query ? 'query-invalid' : unknownParameter]],
    [query && 'cursor' in query.shape, ['cursor-invalid']],
    [isStream, ['resume-point-invalid']],
    [isStream && isAuthenticated, ['too-many-streams']],
    [isChange && requiresKey, ['idempotency-key-missing']],
    [CELL_SLOTS !== undefined && namesSlot(params, query, body), ['slot-not-served']],
    [isAuthenticated, ['unauthenticated', 'too-many-failed-logins', new MissingScope(scope)]],
    [authMode === 'jwt', ['auth-unavailable']],
    [scope === 'ops:write' && options.OPERATIONS_DATABASE_URL === undefined, ['operations-unavailable']],
    [rateLimitOf(options) !== undefined, ['rate-limited']],
    [true, ['overloaded', 'not-ready', 'database-unavailable', 'internal']],
  ]
  return [...errors, ...implied.flatMap(([applies, codes]) => (applies ? codes : []))]
}

/** What an operation without query parameters answers to any. */
const unknownParameter = new QueryInvalid([{ parameter: 'verbose', detail: 'is not a known parameter' }])

interface ErrorExample {
  code: ProblemCode
  status: number
  title: string
  retryAfter: ProblemEntry['retryAfter']
  value: object
}

function exampleOf(error: DocumentedError, basePath: string): ErrorExample {
  const { code, detail, fields } = typeof error === 'string' ? fromCatalogue(error) : fromError(error)
  const { status, title, retryAfter }: ProblemEntry = problems[code]
  const value = problemOf(code, detail, EXAMPLE_REQUEST_ID, fields, basePath)
  return { code, status, title, retryAfter, value }
}

function fromCatalogue(code: Exclude<DocumentedError, ExpectedError>) {
  const { detail, fields }: NonNullable<ProblemEntry['example']> = problems[code].example
  return { code, detail, fields }
}

function fromError({ code, message, fields }: ExpectedError) {
  return { code, detail: message, fields }
}

/** Required where every problem of the status has the header. */
function retryAfterHeader(group: ErrorExample[]) {
  const count = group.filter(({ retryAfter }) => retryAfter !== undefined).length
  return count === 0 ? {} : { 'Retry-After': { ...header('Seconds'), required: count === group.length } }
}
