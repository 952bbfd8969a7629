import type { Middleware } from 'koa'
import { ExpectedError } from '../../platform/errors.ts'

const SHOWN_LENGTH = 100

/**
 * Refuses what names no host (RFC 9112, section 3.2; Node's own check answers without a body), or none that the API goes by.
 * Where everybody on this machine may call, a page that a browser shows may too, once its own name leads to this machine
 * (DNS rebinding): but its requests still come with that name.
 * @param names in lower case, addresses of IPv6 in brackets; undefined: any
 */
export function requireHost(names: ReadonlySet<string> | undefined): Middleware {
  return (ctx, next) => {
    const { host } = ctx.req.headers
    if (!host) throw new ExpectedError('malformed-request', 'The request has no Host header')
    if (names && !names.has(host.replace(/:\d*$/, '').toLowerCase()))
      throw new ExpectedError(
        'host-not-allowed',
        `The host ${host.slice(0, SHOWN_LENGTH)} is not allowed; an operator can add it to ALLOWED_HOSTS`,
      )
    return next()
  }
}
