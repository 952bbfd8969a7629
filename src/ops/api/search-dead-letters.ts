import { conditionOf, type DeadLetterFilter } from '../actions/dead-letters.ts'
import { byFateSql } from '../views/by-fate-sql.ts'

/**
 * Latest dead letters that are searched by event type and error. No index has these two, and a
 * defect can leave a million dead letters.
 */
export const MAX_SEARCHED = 20_000

/**
 * Returns a query for the columns `dead_letter_id`, `queue`, `event_type`, `error` and `dead_at` of
 * the dead letters of a fate that match, latest first, and its parameters from `$1` on. Queue and
 * times select by an index; type and error are searched among the latest {@link MAX_SEARCHED}.
 * @param after `dead_at` and `dead_letter_id` of the last one of the previous page
 */
export function searchDeadLetters(
  { type, error, ...indexed }: DeadLetterFilter,
  fate: string,
  after?: unknown[],
): { sql: string; values: unknown[] } {
  const selected = conditionOf(indexed)
  const position = selected.values.length
  const values: unknown[] = [...selected.values, fate, ...(after ?? [])]
  const before = after && `$${position + 2}::timestamptz, $${position + 3}::uuid`
  const queue = indexed.queue === undefined ? undefined : `$${values.push(indexed.queue)}`
  const searched = conditionOf(
    { ...(type === undefined ? {} : { type }), ...(error === undefined ? {} : { error }) },
    values.length + 1,
  )
  return {
    sql: `
      select *
      from (
        select dead_letter_id, queue, event_type, error, dead_at
        from dead_letters
        where ${selected.condition}
          and fate = $${position + 1}
          and ${byFateSql(`$${position + 1}`, queue, before)}
        order by dead_at desc, dead_letter_id desc
        limit ${MAX_SEARCHED}
      ) as latest
      where ${searched.condition}
      order by dead_at desc, dead_letter_id desc`,
    values: [...values, ...searched.values],
  }
}
