import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'

/** Minutes after which an open dead letter is logged as an error, at every run. */
const DEAD_LETTER_ALERT_MINUTES = 15

export interface WatchedDeadLetters {
  /** open dead letters */
  open: number
  /** open dead letters older than {@link DEAD_LETTER_ALERT_MINUTES} */
  overdue: number
  /** age of the oldest open dead letter; null: none is open */
  oldest_seconds: number | null
}

/** Logs an error when dead letters need an operator. `ops.schedules` shows the returned counts. */
export async function watchDeadLetters(database: Database, log: Logger): Promise<WatchedDeadLetters> {
  const [letters = { open: 0, overdue: 0, oldest_seconds: null }] =
    await database.query<WatchedDeadLetters>(watchSql)
  if (letters.overdue > 0) log.error(letters, 'open dead letters need an operator: see ops.dead_letters')
  return letters
}

const watchSql = `
  select count(*)::integer as open,
    (count(*) filter (where dead_at < now() - interval '${DEAD_LETTER_ALERT_MINUTES} minutes'))::integer as overdue,
    extract(epoch from now() - min(dead_at))::integer as oldest_seconds
  from dead_letters
  where fate = 'OPEN'
`
