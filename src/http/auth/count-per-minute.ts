import { createHash } from 'node:crypto'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Database } from '../../db/database.ts'
import { systemClockSkewMs } from '../../platform/clock.ts'

export const WINDOW_SECONDS = 60

/** Count of a key in its current minute, including this call. */
interface Counted {
  /** This call exceeds the limit. */
  isRefused: boolean
  leftCount: number
  /** seconds until the count is reset, at least 1 */
  seconds: number
}

/** Increments the count of a key. */
export type Counter = (key: string) => Promise<Counted>

/**
 * Counts up to `perMinute` in the minute that begins with the first call. With a database the count
 * is shared by all processes. Without one, or while it is unavailable, each process counts for
 * itself, so that an outage does not reject clients within their limit.
 * @param prefix separates counts of different kinds
 */
export function countPerMinute(perMinute: number, prefix: string, database?: Database): Counter {
  const limits = { points: perMinute, duration: WINDOW_SECONDS, keyPrefix: prefix }
  const memory = new RateLimiterMemory(limits)
  const limiter = database
    ? new RateLimiterPostgres({
        ...limits,
        storeClient: { query: (statement: Upsert) => upsert(database, statement) },
        storeType: 'client',
        tableName: 'rate_limits',
        tableCreated: true,
        clearExpiredByTimeout: false,
        // Requests over the limit need no further statement.
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

interface Upsert {
  text: string
  values: [key: string, points: number, expireMs: number, nowMs: number]
}

/**
 * Runs the statement of the library, which uses the system clock, with times of the database: the
 * processes that share the row may have different clocks.
 */
async function upsert(
  database: Database,
  { text, values: [key, points, expireMs, nowMs] }: Upsert,
): Promise<{ rows: { points: number; expire: number }[] }> {
  const skewMs = systemClockSkewMs()
  const values = [key, points, expireMs - skewMs, nowMs - skewMs]
  const rows = await database.query<{ points: number; expire: number }>(text, values)
  return { rows: rows.map(({ points, expire }) => ({ points, expire: expire + skewMs })) }
}

/** The library rejects with the count when the limit is exceeded. */
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
