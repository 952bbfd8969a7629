import type { Tx } from '../db/transaction.ts'
import { ValidationFailed } from '../platform/errors.ts'

/** Time zone of restaurants that name none. */
export const DEFAULT_TIME_ZONE = 'UTC'

/**
 * Postgres decides which time zones exist, because it does all arithmetic with local times. The
 * builds of Node that serve the API may differ, and need to know none.
 * @throws ValidationFailed
 */
export async function assertTimeZone(tx: Tx, timeZone: string): Promise<void> {
  if (timeZone === DEFAULT_TIME_ZONE) return
  const [known] = await tx.query(knownSql, [timeZone])
  if (!known)
    throw new ValidationFailed([
      { pointer: '/time_zone', detail: `${timeZone} is not a time zone that the database knows` },
    ])
}

/**
 * The system's files may contain more than the names of places: the same names with leap seconds
 * (`right/`), and files that stand for another zone or for none.
 */
const knownSql = `
  select
  from pg_timezone_names
  where name = $1
    and name !~ '^(posix/|right/|posixrules$|localtime$|Factory$)'
`
