import { MAX_UUID } from '../../platform/ids.ts'

const LATEST = `'infinity', '${MAX_UUID}'`

/**
 * Returns a condition that all dead letters of a fate fulfil that died before a position. It makes
 * the planner choose the index that begins with the fate, where statistics know a single one: the
 * index that begins with the time would be read to its end.
 * @param fate SQL of the fate
 * @param queue SQL of the queue, when one is selected
 * @param position SQL of `dead_at` and `dead_letter_id`; by default, after the latest one
 */
export const byFateSql = (fate: string, queue?: string, position = LATEST) =>
  queue === undefined
    ? `(fate, dead_at, dead_letter_id) < (${fate}, ${position})`
    : `(fate, queue, dead_at, dead_letter_id) < (${fate}, ${queue}, ${position})`
