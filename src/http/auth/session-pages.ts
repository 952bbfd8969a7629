import Router from '@koa/router'
import type { Caller } from '../../platform/caller.ts'

export interface SessionOptions {
  /** The database is the embedded one with the demo restaurant: its orders cost nothing. */
  isDemo: boolean
}

/** Serves `GET /session`: what the caller of a page may do. */
export function sessionPages({ isDemo }: SessionOptions): Router {
  const router = new Router()
  router.get('/session', ctx => {
    const { scopes, restaurants } = ctx.state['caller'] as Caller
    ctx.set('Cache-Control', 'no-store')
    ctx.body = {
      scopes: [...scopes],
      restaurants: restaurants ? [...restaurants] : null,
      demo: isDemo,
    }
  })
  return router
}
