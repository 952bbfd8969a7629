import type { Context } from 'koa'
import { z } from 'zod'
import type { Caller, Scope } from '../platform/caller.ts'
import {
  type ExpectedError,
  type FieldError,
  NotFound,
  QueryInvalid,
  type ResourceKind,
  ValidationFailed,
} from '../platform/errors.ts'
import type { IdempotentRequest } from '../platform/idempotent-request.ts'
import type { Precondition } from '../platform/precondition.ts'
import { assertServed } from './assert-served.ts'
import { type Conditions, preconditionOf } from './conditions.ts'
import { fingerprintOf } from './idempotency.ts'
import type { ExemplifiedCode } from './problem.ts'
import { parseQueryString } from './query-string.ts'
import { readable } from './readable.ts'
import type { RouteReply, StreamReply } from './route-reply.ts'

/** Content type of server-sent events. */
export const STREAM_TYPE = 'text/event-stream'

/**
 * One step of serving a request; the steps of a route run in sequence. Middleware would stay on the
 * heap with its closure until the response is sent, which fills the heap when thousands of requests
 * wait.
 */
export type RequestStep = (ctx: Context) => Promise<void> | void

/** Correlates a request with its log lines, events and jobs. */
interface RequestTrace {
  request_id: string
  /** W3C Trace Context, present when tracing is on */
  traceparent?: string
}

/** A parsed and validated request. */
interface RouteRequest<Params, Query, Body> {
  params: Params
  query: Query
  /** as the client sees it: with the path of the public URL and with the ids filled in */
  path: string
  body: Body
  trace: RequestTrace
  caller: Caller
  /** from `If-Match` and `If-None-Match`; undefined without them */
  precondition: Precondition | undefined
  /** id of the last event that the client received from the stream */
  lastEventId: string | undefined
  /** present when the request carries an idempotency key: its effect happens once */
  idempotency: IdempotentRequest | undefined
}

/**
 * An error of an operation: the code of a catalogue entry with an example, or an example of the
 * error.
 */
export type DocumentedError = ExemplifiedCode | ExpectedError

/**
 * One operation of the API. The same spec serves and documents it, so that the two cannot diverge.
 */
export interface RouteSpec<Params, Query, Body, Reply> {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** OpenAPI form, e.g. `/api/v1/orders/{order_id}` */
  path: string
  operationId: string
  /** scope that the caller needs */
  scope: Scope
  summary: string
  description: string
  tag: string
  params?: z.ZodType<Params>
  /** kind of resource that the last id in the path identifies; an id that is not a UUID is 404 */
  resource?: ResourceKind
  query?: z.ZodObject & z.ZodType<Query>
  body?: z.ZodType<Body>
  /** A missing body is read as `{}`. */
  bodyOptional?: boolean
  /** With 204 there is no body, schema or example. */
  status: 200 | 201 | 202 | 204
  statusDescription: string
  replySchema?: z.ZodType<Reply>
  replyExample?: Reply
  /** when the response is 204 instead */
  emptyDescription?: string
  replyHeaders?: Record<string, string>
  /** headers that only some of these responses have */
  optionalReplyHeaders?: Record<string, string>
  /**
   * The resource has an entity tag: the operation supports `If-Match` and `If-None-Match`, and its
   * success to a GET has an `ETag`.
   */
  conditional?: boolean
  /** The response is a stream of server-sent events that resumes after `Last-Event-ID`. */
  isStream?: boolean
  /** errors besides those that the properties above and the configuration imply */
  errors: readonly DocumentedError[]
  handle: (request: RouteRequest<Params, Query, Body>) => Promise<RouteReply<Reply> | StreamReply>
}

/** A spec whose type parameters are erased, for the app and the OpenAPI document. */
export interface Route extends Omit<RouteSpec<unknown, unknown, unknown, unknown>, 'handle'> {
  /** @throws ValidationFailed, QueryInvalid, SlotNotServed, and the errors of the handler */
  serve(request: {
    params: Record<string, string>
    path: string
    /** without `?` */
    querystring: string
    body: unknown
    trace: RequestTrace
    caller: Caller
    idempotencyKey: string | undefined
    conditions: Conditions
    lastEventId: string | undefined
    /** slots that this API serves; undefined means all */
    servedSlots: ReadonlySet<string> | undefined
  }): Promise<RouteReply<unknown> | StreamReply>
}

export function route<Params, Query, Body, Reply>(spec: RouteSpec<Params, Query, Body, Reply>): Route {
  const { handle, ...rest } = spec
  return {
    ...rest,
    serve: ({
      params: rawParams,
      path,
      querystring,
      body: rawBody,
      trace,
      caller,
      idempotencyKey,
      conditions,
      lastEventId,
      servedSlots,
    }) => {
      const params = parseParams(spec.params, spec.resource, rawParams)
      const query = parseQuery(spec.query ?? noParameters, parseQueryString(querystring)) as Query
      const body = (spec.body ? parseBody(spec.body, rawBody) : undefined) as Body
      assertServed(servedSlots, { params, query, body })
      const idempotency =
        idempotencyKey === undefined ? undefined : identify(spec, caller, idempotencyKey, params, body)
      return handle({
        params,
        path,
        query,
        body,
        trace,
        caller,
        idempotency,
        lastEventId,
        precondition: preconditionOf(conditions),
      })
    },
  }
}

function identify(
  { method, path }: { method: string; path: string },
  caller: Caller,
  key: string,
  params: unknown,
  body: unknown,
): IdempotentRequest {
  return { caller: caller.id, key, fingerprint: fingerprintOf(method, path, params, body) }
}

function parseParams<Params>(
  schema: z.ZodType<Params> | undefined,
  resource: ResourceKind | undefined,
  values: Record<string, string>,
): Params {
  const result = schema?.safeParse(values)
  if (result?.error && resource) throw new NotFound(resource, Object.values(values).join('/'))
  return result?.data as Params
}

const noParameters = z.strictObject({})

/** @throws QueryInvalid with every invalid parameter */
function parseQuery<Output>(schema: z.ZodType<Output>, value: Record<string, unknown>): Output {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  const errors = result.error.issues.flatMap(issue =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map(parameter => ({
          parameter: readable(parameter),
          detail: 'is not a known parameter',
        }))
      : [
          {
            parameter: String(issue.path[0]),
            detail: isRepeated(issue) ? 'must not be repeated' : detailOf(issue),
          },
        ],
  )
  throw new QueryInvalid(errors.slice(0, MAX_ERROR_COUNT))
}

/** A list is invalid where the parameter has one value. */
function isRepeated({ code, input }: z.core.$ZodIssue): boolean {
  return code === 'invalid_type' && Array.isArray(input)
}

/** Errors that one response lists. */
const MAX_ERROR_COUNT = 100

/** @throws ValidationFailed with one JSON Pointer per error */
function parseBody<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw new ValidationFailed(result.error.issues.flatMap(fieldErrors).slice(0, MAX_ERROR_COUNT))
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const pointer = issue.path.map(segment => `/${escapePointer(String(segment))}`).join('')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: 'is not a known property',
    }))
  }
  return [{ pointer, detail: detailOf(issue) }]
}

function detailOf(issue: z.core.$ZodIssue): string {
  if (issue.input === undefined) return 'is required'
  return issue.code === 'invalid_type' && issue.expected === 'object' ? 'must be an object' : issue.message
}

/** Escapes a segment as in RFC 6901, section 3. */
function escapePointer(segment: string): string {
  return readable(segment).replaceAll('~', '~0').replaceAll('/', '~1')
}
