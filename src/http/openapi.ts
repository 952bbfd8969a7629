import { createDocument } from 'zod-openapi'
import { type ProblemCode, problemOf, problemSchema, problems } from './problem.ts'
import type { Route } from './route.ts'

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
  { code: 'unsupported-media-type', detail: 'Send the body as application/json in UTF-8' },
  { code: 'payload-too-large', detail: 'A body may have 262144 bytes', fields: { limit_bytes: 262_144 } },
]

/** The OpenAPI 3.1 document, made of the same schemas that check requests. */
export function openApiDocument(routes: readonly Route[], version: string) {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
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
      { name: 'Inventory', description: 'Restaurants, their menus and what is in stock' },
    ],
    security: [],
    paths,
  })
}

function operation(route: Route) {
  const { params, body, errors, operationId, summary, description, tag } = route
  return {
    operationId,
    summary,
    description,
    tags: [tag],
    ...(params ? { requestParams: { path: params } } : {}),
    ...(body
      ? { requestBody: { required: !route.bodyOptional, content: { 'application/json': { schema: body } } } }
      : {}),
    responses: { ...success(route), ...failures([...errors, ...(body ? withBody : []), ...everyOperation]) },
  }
}

function success({ status, statusDescription, replySchema, replyExample, replyHeaders = {} }: Route) {
  const headers = Object.entries(replyHeaders).map(([name, description]) => [
    name,
    { description, schema: { type: 'string' } },
  ])
  return {
    [status]: {
      description: statusDescription,
      headers: { 'X-Request-Id': requestIdHeader, ...Object.fromEntries(headers) },
      content: { 'application/json': { schema: replySchema, example: replyExample } },
    },
  }
}

const requestIdHeader = { description: 'Names this request in the log', schema: { type: 'string' } }

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
          ...(status === 503
            ? { 'Retry-After': { description: 'Seconds', schema: { type: 'string' } } }
            : {}),
        },
        content: { 'application/problem+json': { schema: problemSchema, examples: examples(those) } },
      },
    ]),
  )
}

function examples(errors: DocumentedError[]) {
  return Object.fromEntries(
    errors.map(({ code, detail, fields }) => [
      code,
      { summary: problems[code].title, value: problemOf(code, detail, EXAMPLE_REQUEST_ID, fields) },
    ]),
  )
}
