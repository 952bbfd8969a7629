import type { Context, Middleware } from 'koa'
import { HttpMethodEnum, koaBody } from 'koa-body'
import { ExpectedError } from '../platform/errors.ts'

/** Longest body, in bytes. An order of 100 lines is about 8 kB. */
const BODY_LIMIT_BYTES = 256 * 1024

/**
 * Reads a JSON body into `ctx.request.body`, or leaves it undefined when there is none.
 * @throws unsupported-media-type, malformed-json, payload-too-large
 */
export function jsonBody(): Middleware {
  const read = koaBody({
    json: true,
    jsonStrict: false,
    jsonLimit: BODY_LIMIT_BYTES,
    text: false,
    urlencoded: false,
    multipart: false,
    parsedMethods: [HttpMethodEnum.POST, HttpMethodEnum.PATCH],
    onError: error => {
      throw bodyError(error)
    },
  })
  return async (ctx, next) => {
    if (!hasBody(ctx)) return await next()
    refuseUnreadable(ctx)
    await read(ctx, next)
  }
}

function hasBody(ctx: Context): boolean {
  return ctx.request.length !== 0 && (ctx.get('transfer-encoding') !== '' || ctx.request.length !== undefined)
}

/** What koa-body would pass over in silence, or answer with 500. */
function refuseUnreadable(ctx: Context): void {
  const charset = ctx.request.charset.toLowerCase()
  if (!ctx.is('application/json') || !['', 'utf-8', 'utf8'].includes(charset)) {
    throw new ExpectedError('unsupported-media-type', 'Send the body as application/json in UTF-8')
  }
  if (!['', 'identity'].includes(ctx.get('content-encoding'))) {
    throw new ExpectedError('unsupported-media-type', 'Send the body as it is, without a Content-Encoding')
  }
}

function bodyError(error: Error & { status?: number; type?: string }): unknown {
  if (error instanceof ExpectedError) return error
  if (error.status === 413) {
    return new ExpectedError('payload-too-large', `A body may have ${BODY_LIMIT_BYTES} bytes`, {
      limit_bytes: BODY_LIMIT_BYTES,
    })
  }
  if (error.status === 400 || error instanceof SyntaxError) {
    return new ExpectedError(
      'malformed-json',
      'The body could not be read as one JSON value; check quotes, commas and brackets',
    )
  }
  return error
}
