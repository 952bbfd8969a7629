import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'

/** A dead letter that nobody has decided on for so long is called out, at every run until somebody has. */
const DEAD_LETTER_ALERT_MINUTES = 15

export interface WatchedDeadLetters {
  /** open dead letters */
  open: number
  /** those of them that are older than {@link DEAD_LETTER_ALERT_MINUTES} */
  overdue: number
  /** how long the oldest has been open; null: none is */
  oldest_seconds: number | null
}

/** Says in the log that dead letters wait for an operator; what it returns stands in `ops.schedules`. */
export async function watchDeadLetters(database: Database, log: Logger): Promise<WatchedDeadLetters> {
  const [letters = { open: 0, overdue: 0, oldest_seconds: null }] =
    await database.query<WatchedDeadLetters>(watchSql)
  if (letters.overdue > 0) log.error(letters, 'dead letters wait for an operator: see ops.dead_letters')
  return letters
}

const watchSql = `
  select count(*)::integer as open,
    (count(*) filter (where dead_at < now() - interval '${DEAD_LETTER_ALERT_MINUTES} minutes'))::integer as overdue,
    extract(epoch from now() - min(dead_at))::integer as oldest_seconds
  from dead_letters
  where fate = 'OPEN'
`
