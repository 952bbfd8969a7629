import { z } from 'zod'
import { createDocument } from 'zod-openapi'
import { PATCH_TYPES } from '../body.ts'
import { idempotencyKeyHeader } from '../idempotency.ts'
import { type Route, STREAM_TYPE } from '../route.ts'
import { type DocumentOptions, errorResponses } from './error-responses.ts'
import { finishDocument } from './finish-document.ts'
import { introduction } from './introduction.ts'
import { presentSchema } from './present-schema.ts'
import { header, requestIdHeader } from './response-headers.ts'

export type { DocumentOptions } from './error-responses.ts'

const DEFAULT_PUBLIC_URL = 'http://localhost:8000'

/** Returns the OpenAPI 3.1 document, made from the schemas that validate the requests. */
export function openApiDocument(routes: readonly Route[], version: string, options: DocumentOptions = {}) {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route, options) }
  }
  const document: Parameters<typeof createDocument>[0] = {
    openapi: '3.1.0',
    info: {
      title: 'Comanda',
      version,
      description: introduction(options.AUTH_MODE ?? 'none'),
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: options.PUBLIC_URL ?? DEFAULT_PUBLIC_URL, description: 'Public URL' }],
    tags: [
      { name: 'Orders', description: 'Place, track, update and cancel orders' },
      { name: 'Restaurants', description: 'Restaurants, their menus, statistics and event streams' },
      { name: 'Inventory', description: 'Manage restaurants, menu items and stock' },
      {
        name: 'Webhooks',
        description:
          'Subscribe a URL to events. Deliveries are signed, ordered per order, and retried until the receiver accepts them.',
      },
      {
        name: 'Operations',
        description:
          'See what the system does, as `npm run ops` and the console do: scope `ops`. Change it, with a reason that is recorded: scope `ops:write`',
      },
    ],
    security: [],
    ...(options.AUTH_MODE && options.AUTH_MODE !== 'none'
      ? { components: bearerScheme(options.AUTH_MODE) }
      : {}),
    paths,
  }
  return finishDocument(createDocument(document, { override: presentSchema }))
}

function bearerScheme(mode: 'jwt' | 'api-key') {
  const description =
    mode === 'jwt'
      ? 'JWT of the configured issuer; the claim `scope` lists the scopes'
      : 'API key created with `npm run keys`; its scopes are fixed at creation'
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

const ifMatchHeader = z.string().meta({
  description:
    'Expected `ETag`, several, or `*`. With any other current version, nothing is changed and the response is 412.',
  example: '*',
})

const ifNoneMatchHeader = (isChange: boolean) =>
  z.string().meta({
    description: isChange
      ? 'Unwanted `ETag`, several, or `*`. If one is current, nothing is changed and the response is 412.'
      : '`ETag` of a stored response, several, or `*`. If one is current, the response is 304 without a body.',
    example: '"0"',
  })

const lastEventIdHeader = z.string().meta({
  description: '`id` of the last received event; the stream resumes after it. Empty: from the beginning',
  example: '',
})

function operation(route: Route, options: DocumentOptions) {
  const { REQUIRE_IDEMPOTENCY_KEY: requireIdempotencyKey = false, AUTH_MODE = 'none' } = options
  const isChange = route.method !== 'get'
  // A key of its own for each operation, because a key that another request had is refused.
  const keyHeader = idempotencyKeyHeader.meta({ example: `${route.operationId}-1` })
  const headers = z.object({
    ...(isChange ? { 'Idempotency-Key': requireIdempotencyKey ? keyHeader : keyHeader.optional() } : {}),
    ...(route.conditional
      ? { 'If-Match': ifMatchHeader.optional(), 'If-None-Match': ifNoneMatchHeader(isChange).optional() }
      : {}),
    ...(route.isStream ? { 'Last-Event-ID': lastEventIdHeader.optional() } : {}),
  })
  const { params, query, body, operationId, summary, description, tag } = route
  return {
    operationId,
    summary,
    description: route.isStream ? `${description}\n\n${onCommandLine(route, options)}` : description,
    tags: [tag],
    ...(AUTH_MODE === 'none' ? {} : { security: [{ bearer: [route.scope] }] }),
    requestParams: {
      ...(params ? { path: params } : {}),
      ...(query ? { query } : {}),
      ...(Object.keys(headers.shape).length > 0 ? { header: headers } : {}),
    },
    ...(body
      ? { requestBody: { required: !route.bodyOptional, content: bodyContent(route.method, body) } }
      : {}),
    responses: {
      ...success(route, isChange),
      ...(route.emptyDescription === undefined
        ? {}
        : { 204: { description: route.emptyDescription, headers: { 'X-Request-Id': requestIdHeader } } }),
      ...(route.conditional && !isChange ? { 304: notModified(route) } : {}),
      ...errorResponses(route, options),
    },
  }
}

/**
 * Shows how to read a stream. Swagger UI would wait for its end, so `/docs` does not execute it.
 */
function onCommandLine({ path, params }: Route, { PUBLIC_URL, AUTH_MODE = 'none' }: DocumentOptions): string {
  const { shape = {} } = (params ?? {}) as { shape?: Record<string, z.ZodType> }
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(shape[name]?.meta()?.['example']))
  const token = AUTH_MODE === 'none' ? '' : '-H "Authorization: Bearer $TOKEN" '
  return `Read it on the command line:\n\n    curl -N ${token}${PUBLIC_URL ?? DEFAULT_PUBLIC_URL}${filled}`
}

function bodyContent(method: Route['method'], schema: z.ZodType) {
  const types = method === 'patch' ? PATCH_TYPES : ['application/json']
  return Object.fromEntries(types.map(type => [type, { schema }]))
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
    conditional = false,
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
        ...(conditional && !isChange ? { 'Cache-Control': cacheControlHeader } : {}),
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

function notModified({ replyHeaders = {} }: Route) {
  return {
    description: 'Not modified: `If-None-Match` names the current version',
    headers: {
      'X-Request-Id': requestIdHeader,
      ...Object.fromEntries(Object.entries(replyHeaders).map(([name, text]) => [name, header(text)])),
      'Cache-Control': cacheControlHeader,
    },
  }
}

const cacheControlHeader = header('`no-cache`: a stored response is used only after a 304')

const replayedHeader = {
  description: '`true` when this is the stored response to an earlier request with the same Idempotency-Key',
  schema: { type: 'string', enum: ['true'] },
} as const
