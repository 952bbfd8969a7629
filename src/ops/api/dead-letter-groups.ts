import { z } from 'zod'
import type { Route } from '../../http/route.ts'
import { readSnapshot } from '../read-snapshot.ts'
import { deadLetterFilter, deadLetterFilterOf } from './lists.ts'
import { type OpsRoutesOptions, opsRoute, STATEMENT_TIMEOUT_MS } from './ops-route.ts'
import { MAX_SEARCHED, searchDeadLetters } from './search-dead-letters.ts'
import { integer, orNull, rowsOf, text, time } from './view-rows.ts'

const MAX_GROUPS = 50
const AT = '2026-11-22T18:30:00.000Z'

const groups = rowsOf(
  'OpsDeadLetterGroup',
  { comment: 'Open dead letters of a queue with the same event type and error', columns: {} },
  {
    queue: text('inventory.deduct'),
    event_type: orNull(text('order.placed.v1')),
    error: orNull(text('canceling statement due to lock timeout')),
    dead_letters: integer(3),
    first_at: time(AT),
    last_at: time(AT),
  },
  {
    queue: 'queue of the jobs',
    event_type: 'type of the events',
    error: 'error of the last attempts',
    dead_letters: 'number of dead letters in the group',
    first_at: 'when the first of them died',
    last_at: 'when the last of them died',
  },
)

const reply = z
  .object({
    matching: z.int().meta({
      description: `Open dead letters that match, among the latest ${MAX_SEARCHED}; ${MAX_SEARCHED} means as many or more`,
      example: 3,
    }),
    groups: z.array(groups.schema).meta({ description: `The largest groups, at most ${MAX_GROUPS}` }),
  })
  .meta({ id: 'OpsDeadLetterCounts', description: 'Open dead letters that match a filter, by error' })

export type DeadLetterCountsReply = z.infer<typeof reply>

/** Counts the latest dead letters that match a filter, by error. */
export const deadLetterGroupsRoute = ({ database }: OpsRoutesOptions): Route =>
  opsRoute({
    path: '/api/v1/ops/dead-letters/groups',
    operationId: 'countOpsDeadLetters',
    summary: 'Count dead letters by error',
    description: `Counts the open dead letters that match the filters, by queue, event type and error, among the latest ${MAX_SEARCHED}.`,
    statusDescription: 'The counts',
    query: z.strictObject(deadLetterFilter),
    replySchema: reply,
    replyExample: { matching: 3, groups: [groups.example] },
    errors: [],
    handle: async ({ query }) => {
      const { sql, values } = searchDeadLetters(deadLetterFilterOf(query), 'OPEN')
      type Row = Record<string, unknown> & { matching: number }
      const rows = await readSnapshot(
        database,
        tx => tx.query<Row>(groupsSql(sql), values),
        STATEMENT_TIMEOUT_MS,
      )
      return { body: { matching: rows[0]?.matching ?? 0, groups: rows.map(groups.present) } }
    },
  })

const groupsSql = (matching: string) => `
  select queue, event_type, coalesce(error ->> 'message', error::text) as error, count(*)::integer as dead_letters,
    min(dead_at) as first_at, max(dead_at) as last_at, (sum(count(*)) over ())::integer as matching
  from (${matching}) as matching
  group by 1, 2, 3
  order by dead_letters desc, queue, event_type, error
  limit ${MAX_GROUPS}
`
