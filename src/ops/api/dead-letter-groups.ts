import { z } from 'zod'
import type { Route } from '../../http/route.ts'
import { conditionOf } from '../actions/dead-letters.ts'
import { readSnapshot } from '../read-snapshot.ts'
import { deadLetterFilter, deadLetterFilterOf } from './lists.ts'
import { type OpsRoutesOptions, opsRoute, STATEMENT_TIMEOUT_MS } from './ops-route.ts'
import { integer, orNull, rowsOf, text, time } from './view-rows.ts'

/** Dead letters that are counted at most, the latest first. */
const MAX_COUNTED = 100_000
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
      description: `Open dead letters that match; ${MAX_COUNTED} means as many or more`,
      example: 3,
    }),
    groups: z.array(groups.schema).meta({ description: `The largest groups, at most ${MAX_GROUPS}` }),
  })
  .meta({ id: 'OpsDeadLetterCounts', description: 'Open dead letters that match a filter, by error' })

export type DeadLetterCountsReply = z.infer<typeof reply>

/** Counts the dead letters that a redrive with the same filter would change. */
export const deadLetterGroupsRoute = ({ database }: OpsRoutesOptions): Route =>
  opsRoute({
    path: '/api/v1/ops/dead-letters/groups',
    operationId: 'countOpsDeadLetters',
    summary: 'Count dead letters by error',
    description:
      'Counts the open dead letters that match the filters, by queue, event type and error: what an action on all of them would change.',
    statusDescription: 'The counts',
    query: z.strictObject(deadLetterFilter),
    replySchema: reply,
    replyExample: { matching: 3, groups: [groups.example] },
    errors: [],
    handle: async ({ query }) => {
      const { condition, values } = conditionOf(deadLetterFilterOf(query))
      type Row = Record<string, unknown> & { matching: number }
      const rows = await readSnapshot(
        database,
        tx => tx.query<Row>(groupsSql(condition), values),
        STATEMENT_TIMEOUT_MS,
      )
      return { body: { matching: rows[0]?.matching ?? 0, groups: rows.map(groups.present) } }
    },
  })

const groupsSql = (condition: string) => `
  select queue, event_type, error, count(*)::integer as dead_letters, min(dead_at) as first_at,
    max(dead_at) as last_at, (sum(count(*)) over ())::integer as matching
  from (
    select queue, event_type, coalesce(error ->> 'message', error::text) as error, dead_at
    from dead_letters
    where ${condition}
      and fate = 'OPEN'
    order by dead_at desc
    limit ${MAX_COUNTED}
  ) as matching
  group by queue, event_type, error
  order by count(*) desc, queue, event_type, error
  limit ${MAX_GROUPS}
`
