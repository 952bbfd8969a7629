import Router from '@koa/router'
import { ExpectedError } from '../../platform/errors.ts'

/** One readiness check. Returns `ok` or a description of the failure. */
interface ReadinessCheck {
  check: () => Promise<string>
  /** A failure is reported, but the process stays ready. */
  advisory?: boolean
}

export type ReadinessChecks = Record<string, ReadinessCheck>

/** What one readiness check returned. */
export interface CheckResult {
  name: string
  advisory: boolean
  /** `ok` or a description of the failure */
  result: string
}

/** Runs all checks at the same time. */
export async function runReadinessChecks(checks: ReadinessChecks): Promise<CheckResult[]> {
  return await Promise.all(
    Object.entries(checks).map(async ([name, { check, advisory = false }]) => ({
      name,
      advisory,
      result: await check(),
    })),
  )
}

/**
 * Serves `/healthz` (liveness) and `/readyz` (readiness with the result of every check).
 * @param readiness runs the checks
 */
export function healthPages(readiness: () => Promise<CheckResult[]>): Router {
  const router = new Router()
  router.get('/healthz', ctx => {
    ctx.body = { status: 'ok' }
  })
  router.get('/readyz', async ctx => {
    const results = await readiness()
    const failed = results.filter(isFailed)
    if (failed.some(({ advisory }) => !advisory)) throw notReady(results)
    ctx.body = { status: failed.length > 0 ? 'degraded' : 'ready', checks: reportOf(results) }
  })
  return router
}

/** Serves every path with a 503 that has the results of the checks. */
export function notReadyPages(results: () => CheckResult[]): Router {
  const router = new Router()
  router.all('/{*path}', () => {
    throw notReady(results())
  })
  return router
}

function notReady(results: CheckResult[]): ExpectedError {
  const reasons = results.filter(isFailed).map(({ name, result }) => `${name}: ${result}`)
  return new ExpectedError('not-ready', reasons.join('; '), { checks: reportOf(results) })
}

const isFailed = ({ result }: CheckResult) => result !== 'ok'
const reportOf = (results: CheckResult[]) =>
  Object.fromEntries(results.map(({ name, result }) => [name, result]))
