import { MAX_UUID } from '../../platform/ids.ts'

/**
 * Returns a condition that all dead letters of a fate fulfil. It makes the planner choose the index
 * that begins with the fate, where statistics know a single one: the index that begins with the
 * time would be read to its end.
 * @param fate SQL of the fate
 * @param queue SQL of the queue, when one is selected
 */
export const byFateSql = (fate: string, queue?: string) =>
  queue === undefined
    ? `(fate, dead_at, dead_letter_id) < (${fate}, 'infinity', '${MAX_UUID}')`
    : `(fate, queue, dead_at, dead_letter_id) < (${fate}, ${queue}, 'infinity', '${MAX_UUID}')`
