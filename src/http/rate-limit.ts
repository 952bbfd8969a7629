import { createHash } from 'node:crypto'
import type { Middleware } from 'koa'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Database } from '../db/database.ts'
import { ExpectedError } from '../platform/errors.ts'
import type { Caller } from './caller.ts'

const WINDOW_SECONDS = 60

/**
 * Lets each caller send so many requests a minute, over all API processes, and tells how many are left
 * (draft-ietf-httpapi-ratelimit-headers). While the database is away, each process counts for itself: a limit that
 * cannot be counted must not stop the callers who keep to it.
 */
export function limitRate(database: Database, perMinute: number): Middleware {
  const limiter = new RateLimiterPostgres({
    storeClient: { query: ({ text, values }: Statement) => database.executeSql(text, values) },
    storeType: 'client',
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: false,
    keyPrefix: '',
    points: perMinute,
    duration: WINDOW_SECONDS,
    // A caller who is over the limit costs no further statement.
    inMemoryBlockOnConsumed: perMinute + 1,
    insuranceLimiter: new RateLimiterMemory({ points: perMinute, duration: WINDOW_SECONDS }),
  })
  return async (ctx, next) => {
    const { id } = ctx.state['caller'] as Caller
    const { counted, isRefused } = await count(limiter, createHash('sha256').update(id).digest('base64url'))
    const seconds = Math.max(1, Math.ceil(counted.msBeforeNext / 1_000))
    ctx.set('RateLimit-Policy', `"default";q=${perMinute};w=${WINDOW_SECONDS}`)
    ctx.set('RateLimit', `"default";r=${Math.max(0, counted.remainingPoints)};t=${seconds}`)
    if (isRefused) {
      ctx.set('Retry-After', String(seconds))
      throw new ExpectedError(
        'rate-limited',
        `You may send ${perMinute} requests in ${WINDOW_SECONDS} s; go on in ${seconds} s`,
        { limit_count: perMinute, window_seconds: WINDOW_SECONDS },
      )
    }
    await next()
  }
}

interface Statement {
  text: string
  values: unknown[]
}

interface Count {
  counted: RateLimiterRes
  isRefused: boolean
}

/** The library rejects with the count when it is over the limit. */
async function count(limiter: RateLimiterPostgres, key: string): Promise<Count> {
  try {
    return { counted: await limiter.consume(key), isRefused: false }
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return { counted: refusal, isRefused: true }
    throw refusal
  }
}
