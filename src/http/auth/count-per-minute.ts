import { createHash } from 'node:crypto'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Database } from '../../db/database.ts'

export const WINDOW_SECONDS = 60

/** What has been counted of a key in its minute, this time included. */
interface Counted {
  /** it was one too many */
  isRefused: boolean
  leftCount: number
  /** until the count starts anew, at least 1 */
  seconds: number
}

/** Counts once more under a key. */
export type Counter = (key: string) => Promise<Counted>

/**
 * Counts up to `perMinute` in the minute that starts with the first. Over all processes where there is a database; while that
 * is away, and without one, each process counts for itself: a limit that cannot be counted must not stop those who keep to it.
 * @param what keeps counts of different things apart
 */
export function countPerMinute(perMinute: number, what: string, database?: Database): Counter {
  const limits = { points: perMinute, duration: WINDOW_SECONDS, keyPrefix: what }
  const memory = new RateLimiterMemory(limits)
  const limiter = database
    ? new RateLimiterPostgres({
        ...limits,
        storeClient: { query: ({ text, values }: Statement) => database.executeSql(text, values) },
        storeType: 'client',
        tableName: 'rate_limits',
        tableCreated: true,
        clearExpiredByTimeout: false,
        // Who is over the limit costs no further statement.
        inMemoryBlockOnConsumed: perMinute + 1,
        insuranceLimiter: memory,
      })
    : memory
  return async key => {
    const { counted, isRefused } = await consume(
      limiter,
      createHash('sha256').update(key).digest('base64url'),
    )
    return {
      isRefused,
      leftCount: Math.max(0, counted.remainingPoints),
      seconds: Math.max(1, Math.ceil(counted.msBeforeNext / 1_000)),
    }
  }
}

interface Statement {
  text: string
  values: unknown[]
}

/** The library rejects with the count when it is over the limit. */
async function consume(
  limiter: RateLimiterPostgres | RateLimiterMemory,
  key: string,
): Promise<{ counted: RateLimiterRes; isRefused: boolean }> {
  try {
    return { counted: await limiter.consume(key), isRefused: false }
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return { counted: refusal, isRefused: true }
    throw refusal
  }
}
