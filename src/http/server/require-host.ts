import type { Middleware } from 'koa'
import { ExpectedError } from '../../platform/errors.ts'

const SHOWN_LENGTH = 100

/**
 * Rejects requests without a `Host` header (RFC 9112, section 3.2; Node's own check sends no body)
 * or
 * with a host that is not allowed. Without authentication, this stops web pages that reach the API
 * by
 * DNS rebinding: their requests carry the name of their own site.
 * @param names in lower case, IPv6 addresses in brackets; undefined allows any
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
