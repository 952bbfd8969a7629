import Router from '@koa/router'
import { ExpectedError } from '../platform/errors.ts'

/** What has to be true before requests may come; each says `ok` or what is wrong. */
export type ReadinessChecks = Record<string, () => Promise<string>>

/** `/healthz` says that the process answers; `/readyz` that requests can be served. */
export function healthPages(checks: ReadinessChecks): Router {
  const router = new Router()
  router.get('/healthz', ctx => {
    ctx.body = { status: 'ok' }
  })
  router.get('/readyz', async ctx => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await check()] as const),
    )
    const bad = results.filter(([, result]) => result !== 'ok')
    const report = Object.fromEntries(results)
    if (bad.length > 0) {
      throw new ExpectedError('not-ready', bad.map(([name, result]) => `${name}: ${result}`).join('; '), {
        checks: report,
      })
    }
    ctx.body = { status: 'ready', checks: report }
  })
  return router
}
