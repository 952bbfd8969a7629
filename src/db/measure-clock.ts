import { addClockSample } from '../platform/clock.ts'
import type { Sql } from './transaction.ts'

/** The first round trip of a connection is slow; the fastest of several decides. */
const SAMPLE_COUNT = 5

/** SQL: the time of the database in ms, for {@link addClockSample}. */
export const databaseMsSql = 'extract(epoch from clock_timestamp())::float8 * 1000'

/** Measures the offset of this process to the clock of the database. */
export async function measureClock(sql: Sql): Promise<void> {
  for (let count = 0; count < SAMPLE_COUNT; count++) {
    const sentAt = performance.now()
    const [row] = await sql.query<{ database_ms: number }>(`select ${databaseMsSql} as database_ms`)
    if (row) addClockSample(sentAt, row.database_ms)
  }
}
