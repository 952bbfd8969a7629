import Router from '@koa/router'
import { ExpectedError } from '../../platform/errors.ts'

/** One thing that is looked at: it says `ok` or what is wrong. */
interface ReadinessCheck {
  check: () => Promise<string>
  /** Requests can be served all the same: it is said, and nobody is sent away. */
  advisory?: boolean
}

export type ReadinessChecks = Record<string, ReadinessCheck>

/** `/healthz` says that the process answers; `/readyz` that requests can be served, and what is wrong beside. */
export function healthPages(checks: ReadinessChecks): Router {
  const router = new Router()
  router.get('/healthz', ctx => {
    ctx.body = { status: 'ok' }
  })
  router.get('/readyz', async ctx => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, { check, advisory = false }]) => ({
        name,
        advisory,
        result: await check(),
      })),
    )
    const wrong = results.filter(({ result }) => result !== 'ok')
    const bad = wrong.filter(({ advisory }) => !advisory)
    const report = Object.fromEntries(results.map(({ name, result }) => [name, result]))
    if (bad.length > 0) {
      throw new ExpectedError('not-ready', wrong.map(({ name, result }) => `${name}: ${result}`).join('; '), {
        checks: report,
      })
    }
    ctx.body = { status: wrong.length > 0 ? 'degraded' : 'ready', checks: report }
  })
  return router
}
