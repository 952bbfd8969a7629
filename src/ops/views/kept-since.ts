import type { Retention } from '../../platform/retention.ts'

/**
 * Returns the time, in SQL, after which no row of a table has been deleted. The times and ids of a
 * change differ by less than a minute.
 */
export const keptSince = (table: keyof Retention) => `(
          select kept_since + interval '1 minute'
          from retention
          where name = '${table}'
        )`
