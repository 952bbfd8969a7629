import type { Context } from 'koa'
import type { z } from 'zod'
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
import { acceptedVersions } from './etag.ts'
import { fingerprintOf } from './idempotency.ts'
import type { ExemplifiedCode } from './problem.ts'
import type { RouteReply, StreamReply } from './route-reply.ts'

/** What the answer of a route that streams is: server-sent events. */
export const STREAM_TYPE = 'text/event-stream'

/**
 * One step of serving a request; the steps of a route run one after the other. A middleware would be kept, with its closure,
 * until the request is answered: with thousands of waiting requests that would fill the heap.
 */
export type RequestStep = (ctx: Context) => Promise<void> | void

/** By what a request, and all that follows from it, is known again. */
interface RequestTrace {
  request_id: string
  /** W3C Trace Context, where traces are on */
  traceparent?: string
}

/** What a handler gets: parsed and checked. */
interface RouteRequest<Params, Query, Body> {
  params: Params
  query: Query
  /** as it was sent, with the ids in it */
  path: string
  body: Body
  trace: RequestTrace
  caller: Caller
  /** versions that may be changed, by `If-Match`; undefined: any */
  versions: number[] | undefined
  /** the last event that the client has seen of a stream, by its id */
  lastEventId: string | undefined
  /** when it came with a key: what it changes is to be changed once */
  idempotency: IdempotentRequest | undefined
}

/** An error of an operation: the code of a catalogue entry with an example, or an example of the error. */
export type DocumentedError = ExemplifiedCode | ExpectedError

/** One operation of the API: what serves it and what documents it, so that the two cannot part. */
export interface RouteSpec<Params, Query, Body, Reply> {
  method: 'get' | 'post' | 'patch' | 'delete'
  /** OpenAPI form, e.g. `/api/v1/orders/{order_id}` */
  path: string
  operationId: string
  /** what a caller needs for it */
  scope: Scope
  summary: string
  description: string
  tag: string
  params?: z.ZodType<Params>
  /** what the id in the path is of: one that is no UUID names nothing, which is 404 */
  resource?: ResourceKind
  query?: z.ZodObject & z.ZodType<Query>
  body?: z.ZodType<Body>
  /** the body may be left out: then it is `{}` */
  bodyOptional?: boolean
  /** 204 has no body: then there is no schema and no example */
  status: 200 | 201 | 202 | 204
  statusDescription: string
  replySchema?: z.ZodType<Reply>
  replyExample?: Reply
  replyHeaders?: Record<string, string>
  /** headers that not every such answer has */
  optionalReplyHeaders?: Record<string, string>
  /** it takes `If-Match` */
  conditional?: boolean
  /** the answer is a stream of events: its schema is text, and it goes on from `Last-Event-ID` */
  isStream?: boolean
  /** the errors it may answer besides those of every operation */
  errors: readonly DocumentedError[]
  handle: (request: RouteRequest<Params, Query, Body>) => Promise<RouteReply<Reply> | StreamReply>
}

/** A spec with its types closed over: what the app and the document work with. */
export interface Route extends Omit<RouteSpec<unknown, unknown, unknown, unknown>, 'handle'> {
  /** @throws ValidationFailed, query-invalid, or what the handler throws */
  serve(request: {
    params: Record<string, string>
    path: string
    query: Record<string, unknown>
    body: unknown
    trace: RequestTrace
    caller: Caller
    idempotencyKey: string | undefined
    ifMatch: string | undefined
    lastEventId: string | undefined
  }): Promise<RouteReply<unknown> | StreamReply>
}

export function route<Params, Query, Body, Reply>(spec: RouteSpec<Params, Query, Body, Reply>): Route {
  const { handle, ...rest } = spec
  return {
    ...rest,
    serve: ({
      params: givenParams,
      path,
      query: givenQuery,
      body: givenBody,
      trace,
      caller,
      idempotencyKey,
      ifMatch,
      lastEventId,
    }) => {
      const params = parseParams(spec.params, spec.resource, givenParams)
      const query = (spec.query ? parseQuery(spec.query, givenQuery) : undefined) as Query
      const body = (spec.body ? parseBody(spec.body, givenBody) : undefined) as Body
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
        versions: acceptedVersions(ifMatch),
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

/** @throws query-invalid naming the parameters */
function parseQuery<Output>(schema: z.ZodType<Output>, value: Record<string, unknown>): Output {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  const errors = result.error.issues.slice(0, MAX_ERROR_COUNT).flatMap(issue =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map(parameter => ({
          parameter: readable(parameter),
          detail: 'is not a known parameter',
        }))
      : [
          {
            parameter: String(issue.path[0]),
            detail: Array.isArray(issue.input) ? 'must come once' : detailOf(issue),
          },
        ],
  )
  throw new QueryInvalid(errors)
}

/** Errors that one answer names. */
const MAX_ERROR_COUNT = 100

/** @throws ValidationFailed with a JSON Pointer an error */
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

/** RFC 6901, section 3. What cannot be shown is shown as U+FFFD. */
function escapePointer(segment: string): string {
  return readable(segment).replaceAll('~', '~0').replaceAll('/', '~1')
}

function readable(name: string): string {
  return name.slice(0, 100).toWellFormed().replaceAll('\u0000', '\uFFFD')
}
