import { Option } from '@commander-js/extra-typings'
import type { DeadLetterFilter } from '../../src/ops/actions/dead-letters.ts'
import { nonEmpty, time, uuids, wholeNumber } from '../support/command-line.ts'

const MAX_LETTER_COUNT = 10_000

export const idOption = new Option(
  '--id <ID>',
  'dead letter, or its job, event or order; may be repeated',
).argParser<string[] | undefined>(uuids)
export const queueOption = new Option('--queue <QUEUE>', 'queue of the job').argParser(nonEmpty)
export const typeOption = new Option('--type <TYPE>', 'event type, e.g. order.placed.v1').argParser(nonEmpty)
export const errorOption = new Option('--error <TEXT>', 'text that the error contains').argParser(nonEmpty)
export const sinceOption = new Option('--since <TIME>', 'dead at this time or later').argParser(time)
export const untilOption = new Option('--until <TIME>', 'dead before this time').argParser(time)
export const limitOption = new Option('--limit <N>', 'maximum number of dead letters')
  .argParser(wholeNumber(1, MAX_LETTER_COUNT))
  .default(1_000)

interface FilterOptions {
  id?: string[] | undefined
  queue?: string | undefined
  type?: string | undefined
  error?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** Returns the filter that the options describe. */
export function deadLetterFilter({ id, queue, type, error, since, until }: FilterOptions): DeadLetterFilter {
  return {
    ...(id ? { ids: id } : {}),
    ...(queue ? { queue } : {}),
    ...(type ? { type } : {}),
    ...(error ? { error } : {}),
    ...(since ? { since } : {}),
    ...(until ? { until } : {}),
  }
}
