import type { Database } from '../../db/database.ts'
import type { Caller } from '../../platform/caller.ts'
import { RateLimited } from '../../platform/errors.ts'
import type { RequestStep } from '../route.ts'
import { countPerMinute, WINDOW_SECONDS } from './count-per-minute.ts'

/**
 * Limits each caller to `perMinute` requests per minute over all API processes, and reports the
 * remaining number in headers (draft-ietf-httpapi-ratelimit-headers).
 */
export function limitRate(database: Database, perMinute: number): RequestStep {
  const count = countPerMinute(perMinute, '', database)
  return async ctx => {
    const { isRefused, leftCount, seconds } = await count((ctx.state['caller'] as Caller).id)
    ctx.set('RateLimit-Policy', `"default";q=${perMinute};w=${WINDOW_SECONDS}`)
    ctx.set('RateLimit', `"default";r=${leftCount};t=${seconds}`)
    if (isRefused) throw new RateLimited(perMinute, WINDOW_SECONDS, seconds)
  }
}
