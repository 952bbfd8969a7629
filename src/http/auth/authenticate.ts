import type { Context } from 'koa'
import { ANYONE, type Caller, requireScope, type Scope } from '../../platform/caller.ts'
import { ExpectedError } from '../../platform/errors.ts'
import { expectedError } from '../problem.ts'
import type { RequestStep } from '../route.ts'

/**
 * Finds out who holds a token. `address` is where it comes from.
 * @returns undefined when the token is good for nothing, for whatever reason
 * @throws auth-unavailable when that cannot be found out just now; too-many-failed-logins
 */
export type Authenticator = (token: string, address: string) => Promise<Caller | undefined>

/** Longest token, in characters. */
const MAX_TOKEN_LENGTH = 4_096
const BEARER = /^Bearer +([\w.~+/-]+=*)$/i

/**
 * Lets callers pass who have the scope, and leaves who it is in `ctx.state.caller`. Without an authenticator everybody
 * is the same caller. A token is taken from the `Authorization` header and from nowhere else: paths and queries end up
 * in logs.
 * @param scope undefined: any caller will do
 */
export function authorize(authenticator: Authenticator | undefined, scope?: Scope): RequestStep {
  if (!authenticator) {
    return ctx => {
      ctx.state['caller'] = ANYONE
    }
  }
  return async ctx => {
    const caller = await identify(ctx, authenticator)
    if (scope) requireScope(caller, scope)
    ctx.state['caller'] = caller
  }
}

/** Asks again later who sends a request that goes on, and whether they still may. */
export function reauthorize(
  ctx: Context,
  authenticator: Authenticator | undefined,
  scope: Scope,
): () => Promise<Caller> {
  return async () => {
    if (!authenticator) return ANYONE
    const caller = await identify(ctx, authenticator)
    requireScope(caller, scope)
    return caller
  }
}

async function identify(ctx: Context, authenticator: Authenticator): Promise<Caller> {
  const header = ctx.req.headers.authorization
  if (header === undefined) {
    ctx.set('WWW-Authenticate', 'Bearer')
    throw expectedError('unauthenticated')
  }
  const [, token = ''] = (header.length <= MAX_TOKEN_LENGTH && BEARER.exec(header)) || []
  const caller = token === '' ? undefined : await authenticator(token, ctx.ip)
  if (caller) return caller
  ctx.set('WWW-Authenticate', 'Bearer error="invalid_token"')
  throw new ExpectedError(
    'unauthenticated',
    'The token is invalid, expired, revoked or meant for another API',
  )
}
