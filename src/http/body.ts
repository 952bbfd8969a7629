import type { Context } from 'koa'
import { HttpMethodEnum, koaBody } from 'koa-body'
import { ExpectedError } from '../platform/errors.ts'
import { MAX_BODY_BYTES, MAX_JSON_DEPTH } from './limits.ts'
import { expectedError } from './problem.ts'
import type { RequestStep } from './route.ts'

const JSON_TYPE = 'application/json'

/** A merge patch (RFC 7396) of our bodies means what the same JSON means: null removes a value. */
export const PATCH_TYPES = [JSON_TYPE, 'application/merge-patch+json']

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads a JSON body into `ctx.request.body`, or leaves it undefined when there is none.
 * @throws unsupported-media-type, malformed-json, json-too-deep, payload-too-large
 */
export function jsonBody(): RequestStep {
  // Reads bytes, because koa-body's JSON parser replaces invalid UTF-8 with U+FFFD, treats `""` as
  // no body, and rejects a `__proto__` key as a syntax error.
  const readBytes = koaBody({
    json: false,
    urlencoded: false,
    multipart: false,
    text: true,
    textTypes: PATCH_TYPES,
    textLimit: MAX_BODY_BYTES,
    encoding: 'binary',
    parsedMethods: [HttpMethodEnum.POST, HttpMethodEnum.PATCH],
    onError: (error, ctx) => {
      // An unread body would block the next request on the connection.
      ctx.req.resume()
      throw bodyError(error)
    },
  })
  return async ctx => {
    if (!hasBody(ctx)) return
    requireSupportedType(ctx)
    await readBytes(ctx, next)
    const bytes = ctx.request.body as string
    if (bytes === '') delete ctx.request.body
    else ctx.request.body = parseJson(bytes)
  }
}

/** koa-body calls `next` after it has read the body. As a step, it has nothing to call. */
const next = async () => {}

function hasBody(ctx: Context): boolean {
  return ctx.request.length !== 0 && (ctx.get('transfer-encoding') !== '' || ctx.request.length !== undefined)
}

/** Rejects types and encodings that koa-body would ignore or answer with 500. */
function requireSupportedType(ctx: Context): void {
  const { 'content-type': type, 'content-encoding': coding } = ctx.req.headers
  // Fast path: the header that nearly all clients send.
  if (type === JSON_TYPE && coding === undefined) return
  const charset = ctx.request.charset.toLowerCase()
  const types = ctx.method === 'PATCH' ? PATCH_TYPES : [JSON_TYPE]
  if (!ctx.is(types) || !['', 'utf-8', 'utf8'].includes(charset)) {
    if (ctx.method === 'PATCH') ctx.set('Accept-Patch', PATCH_TYPES.join(', '))
    throw expectedError('unsupported-media-type')
  }
  if (!['', 'identity'].includes(ctx.get('content-encoding'))) {
    throw new ExpectedError('unsupported-media-type', 'Send the body without a Content-Encoding')
  }
}

/** @param bytes one character per byte */
function parseJson(bytes: string): Exclude<Context['request']['body'], undefined> {
  const value = parse(bytes)
  if (isDeeperThan(MAX_JSON_DEPTH, value)) throw expectedError('json-too-deep')
  return value
}

/** Recurses at most `depth` levels, however deep the value is. */
function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth === 0) return true
  for (const each of Object.values(value)) if (isDeeperThan(depth - 1, each)) return true
  return false
}

/** V8's parser does not recurse, so that no body can overflow its stack. */
function parse(bytes: string): Exclude<Context['request']['body'], undefined> {
  try {
    return JSON.parse(utf8.decode(Buffer.from(bytes, 'latin1')))
  } catch {
    throw expectedError('malformed-json')
  }
}

function bodyError(error: Error & { status?: number }): unknown {
  if (error.status === 413) return expectedError('payload-too-large')
  return error.status === 400 ? new ExpectedError('malformed-json', 'The body is truncated') : error
}
