import Router from '@koa/router'
import type { Caller } from '../../platform/caller.ts'
import { ExpectedError } from '../../platform/errors.ts'
import { bearerOf } from './authenticate.ts'
import type { Sessions } from './sessions.ts'

export interface SessionOptions {
  /** The database is the embedded one with the demo restaurant: its orders cost nothing. */
  isDemo: boolean
  /** undefined: without authentication there is no sign-in */
  sessions: Sessions | undefined
}

/**
 * Serves the session of the pages for authenticated callers: `GET /session` says what the caller
 * may do, `POST` makes a session of the token in the `Authorization` header.
 */
export function sessionPages({ isDemo, sessions }: SessionOptions): Router {
  const router = new Router()
  router.get('/session', ctx => {
    const { scopes, restaurants } = ctx.state['caller'] as Caller
    ctx.set('Cache-Control', 'no-store')
    ctx.body = {
      scopes: [...scopes],
      restaurants: restaurants ? [...restaurants] : null,
      demo: isDemo,
      signed_in: sessions !== undefined && ctx.req.headers.authorization === undefined,
    }
  })
  if (!sessions) return router
  router.post('/session', async ctx => {
    const token = bearerOf(ctx)
    if (token === undefined)
      throw new ExpectedError('unauthenticated', 'A session needs a token in the header')
    await sessions.begin(ctx, token)
    ctx.status = 204
  })
  return router
}

/** Serves `DELETE /session`, also to callers whose token is no longer valid. */
export function signOutPages(sessions: Sessions | undefined): Router {
  const router = new Router()
  if (!sessions) return router
  router.delete('/session', ctx => {
    if (!sessions.isOurPage(ctx))
      throw new ExpectedError('forbidden', 'Only a page of this server may end its session')
    sessions.end(ctx)
    ctx.status = 204
  })
  return router
}
