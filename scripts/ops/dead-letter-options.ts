import type { DeadLetterFilter } from '../../src/ops/actions/dead-letters.ts'
import { ids, text, time, wholeNumber } from '../support/read-options.ts'

const MAX_LETTER_COUNT = 10_000

/** Which dead letters a command is about. */
export const deadLetterOptions = {
  id: ids('a dead letter, or its job, event or order'),
  type: text('event type, e.g. order.placed.v1', ''),
  error: text('text that the error contains', ''),
  since: time('died at or after'),
  until: time('died before'),
  limit: wholeNumber('most dead letters', 1_000, 1, MAX_LETTER_COUNT),
}

interface Given {
  id: string[]
  type: string
  error: string
  since: Date | null
  until: Date | null
}

export function deadLetterFilter({ id, type, error, since, until }: Given): DeadLetterFilter {
  return {
    ...(id.length > 0 ? { ids: id } : {}),
    ...(type ? { type } : {}),
    ...(error ? { error } : {}),
    ...(since ? { since } : {}),
    ...(until ? { until } : {}),
  }
}
