import type { Context } from 'koa'
import { ANYONE, ANYONE_REMOTE, type Caller, requireScope, type Scope } from '../../platform/caller.ts'
import { ExpectedError } from '../../platform/errors.ts'
import { expectedError } from '../problem.ts'
import type { RequestStep } from '../route.ts'
import { isLocalClient } from './is-local-client.ts'
import type { Sessions } from './sessions.ts'

/**
 * Returns the caller that a token belongs to, or undefined when the token is invalid.
 * @param address IP address of the client
 * @throws auth-unavailable when the token cannot be verified; too-many-failed-logins
 */
export type Authenticator = (token: string, address: string) => Promise<Caller | undefined>

/** Longest token, in characters. */
const MAX_TOKEN_LENGTH = 4_096
const BEARER = /^Bearer +([\w.~+/-]+=*)$/i

/**
 * Requires a caller with the scope, and stores the caller in `ctx.state.caller`. Without an
 * authenticator, all clients are one caller, and only those of this machine may make operators'
 * changes. The token is in the `Authorization` header, or in the
 * session of a page. It is read from nowhere else, because paths and queries end up in logs.
 * @param scope undefined admits any authenticated caller
 */
export function authorize(
  authenticator: Authenticator | undefined,
  sessions: Sessions | undefined,
  scope?: Scope,
): RequestStep {
  if (!authenticator) {
    return ctx => {
      ctx.state['caller'] = isLocalClient(ctx) ? ANYONE : ANYONE_REMOTE
    }
  }
  return async ctx => {
    const caller = await identify(ctx, authenticator, sessions)
    if (scope) requireScope(caller, scope)
    ctx.state['caller'] = caller
  }
}

/**
 * Returns a function that authenticates and authorizes the caller of a long-lived request again.
 */
export function reauthorize(
  ctx: Context,
  authenticator: Authenticator | undefined,
  sessions: Sessions | undefined,
  scope: Scope,
): () => Promise<Caller> {
  return async () => {
    if (!authenticator) return ANYONE
    const caller = await identify(ctx, authenticator, sessions)
    requireScope(caller, scope)
    return caller
  }
}

/** Returns the token of the `Authorization` header, if there is a well-formed one. */
export function bearerOf({ req }: Context): string | undefined {
  const header = req.headers.authorization ?? ''
  return header.length <= MAX_TOKEN_LENGTH ? BEARER.exec(header)?.[1] : undefined
}

async function identify(
  ctx: Context,
  authenticator: Authenticator,
  sessions: Sessions | undefined,
): Promise<Caller> {
  const hasHeader = ctx.req.headers.authorization !== undefined
  const token = hasHeader ? bearerOf(ctx) : await sessions?.tokenOf(ctx)
  if (!hasHeader && token === undefined) {
    ctx.set('WWW-Authenticate', 'Bearer')
    throw expectedError('unauthenticated')
  }
  const caller = token === undefined ? undefined : await authenticator(token, ctx.ip)
  if (caller) return caller
  ctx.set('WWW-Authenticate', 'Bearer error="invalid_token"')
  throw new ExpectedError(
    'unauthenticated',
    'The token is invalid, expired, revoked or meant for another API',
  )
}
