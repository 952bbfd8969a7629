import { z } from 'zod'
import { paginationFields } from '../../http/pagination.ts'
import type { Route } from '../../http/route.ts'
import { text as inputText, queryTime } from '../../http/schema-fields.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { MAX_UUID, NIL_UUID } from '../../platform/ids.ts'
import { viewNamed } from '../refresh-views.ts'
import { type OpsRoutesOptions, opsList, positionSql } from './ops-route.ts'
import { MAX_SEARCHED, searchDeadLetters } from './search-dead-letters.ts'
import { id, integer, orNull, rowsOf, text, time } from './view-rows.ts'

/** Jobs, dead letters and quarantined events: newest first, in pages. */
export function opsLists(options: OpsRoutesOptions): Route[] {
  return [jobsRoute(options), deadLettersRoute(options), quarantineRoute(options)]
}

export const AT = '2026-11-22T18:30:00.000Z'
const EVENT = '019a0000-0000-7000-8000-000000000e01'
const JOB = '019a0000-0000-7000-8000-000000000e01'
export const paging =
  'To read further pages, follow the `Link` header; rows that are added meanwhile do not shift the pages.'

export const filterText = (description: string, example: string) =>
  inputText(200, { description, example }).optional()
const since = queryTime()
  .optional()
  .meta({ description: 'Only at or after this time', example: '2026-01-01T00:00:00Z' })
const until = queryTime()
  .optional()
  .meta({ description: 'Only before this time', example: '2099-01-01T00:00:00Z' })
const eventType = filterText('Type of the event', 'order.placed.v1')
const errorText = filterText('Text that the error contains, in any case', 'timeout')

const MAX_TIME = 'infinity'
const FIRST = [MAX_TIME, MAX_UUID]

const jobColumns = {
  queue: text('inventory.deduct'),
  job_id: id(JOB),
  event_id: orNull(id(EVENT)),
  event_type: orNull(text('order.placed.v1')),
  order_id: orNull(id(demoIds.order)),
  attempts: integer(1),
}

const jobs = rowsOf('OpsJob', viewNamed('jobs'), {
  ...jobColumns,
  max_attempts: integer(13),
  state: text('retry'),
  error: orNull(text('canceling statement due to lock timeout')),
  queued_at: time(AT),
  due_at: time(AT),
  started_at: orNull(time(AT)),
  finished_at: orNull(time(AT)),
})

export type JobReply = (typeof jobs)['example']

const jobStates = ['created', 'retry', 'active', 'completed', 'failed'] as const

/** The column by which an index orders the jobs of a queue with this state. */
function jobOrder(state: (typeof jobStates)[number] | undefined): string {
  if (state === undefined) return 'queued_at'
  return state === 'completed' ? 'finished_at' : 'due_at'
}

const jobsQuery = z.strictObject({
  queue: inputText(100, {
    description: 'Name of a queue of pg-boss, as in the overview',
    example: 'inventory.deduct',
  }),
  state: z
    .enum(jobStates, { error: `must be one of ${jobStates.join(', ')}` })
    .optional()
    .meta({
      description:
        'created: waits for its first attempt; retry: waits for another one; active: running; failed: used up its attempts',
      example: 'completed',
    }),
  since,
  until,
  ...paginationFields,
})

const jobsRoute = (options: OpsRoutesOptions) =>
  opsList(options, {
    path: '/api/v1/ops/jobs',
    operationId: 'listOpsJobs',
    summary: 'List the jobs of a queue',
    description: `Returns the jobs of a queue that pg-boss still keeps, newest first: by the time at which they were queued; with \`state=completed\` by the time at which they finished, and with another state by the time at which they are or were due. \`since\` and \`until\` refer to the same time. Webhook deliveries are no jobs: see the webhooks. ${paging}`,
    statusDescription: 'A page of jobs',
    query: jobsQuery,
    rows: jobs,
    read: ({ queue, state, since: from, until: before }, after, count) => {
      const column = jobOrder(state)
      const [at, jobId] = after ?? [before ?? MAX_TIME, NIL_UUID]
      return {
        sql: `
          select ${jobs.columns}, ${positionSql(column, 'job_id')}
          from ops.jobs
          where queue = $1
            ${state === undefined ? '' : `and state = '${state}'`}
            and ${column} >= $2::timestamptz
            and (${column}, job_id) < ($3::timestamptz, $4::uuid)
          order by ${column} desc, job_id desc
          limit $5`,
        values: [queue, from ?? '-infinity', at, jobId, count],
      }
    },
  })

const deadLetters = rowsOf('OpsDeadLetter', viewNamed('dead_letters'), {
  dead_letter_id: id('019a0000-0000-7000-8000-00000000d001'),
  ...jobColumns,
  error: orNull(text('canceling statement due to lock timeout')),
  died_at: time(AT),
  fate: text('OPEN'),
  fate_at: orNull(time(AT)),
  redriven_job_id: orNull(id(JOB)),
  redriven_job_state: orNull(text('completed')),
})

export type DeadLetterReply = (typeof deadLetters)['example']

const fates = ['OPEN', 'REDRIVEN', 'DISCARDED'] as const

export const deadLetterFilter = {
  queue: filterText('Name of the queue', 'inventory.deduct'),
  type: eventType,
  error: errorText,
  since,
  until,
}

const deadLettersRoute = (options: OpsRoutesOptions) =>
  opsList(options, {
    path: '/api/v1/ops/dead-letters',
    operationId: 'listOpsDeadLetters',
    summary: 'List dead letters',
    description: `Returns jobs and webhook deliveries that used up their attempts, newest first. By default, only those that no operator has decided on. All filters are optional and combine with AND. \`type\` and \`error\` are searched among the latest ${MAX_SEARCHED} that match the other filters: narrow the time to search older ones. ${paging}`,
    statusDescription: 'A page of dead letters',
    query: z.strictObject({
      ...deadLetterFilter,
      fate: z
        .enum(fates, { error: `must be one of ${fates.join(', ')}` })
        .optional()
        .meta({ description: 'Decision of the operators; default: OPEN', example: 'OPEN' }),
      ...paginationFields,
    }),
    rows: deadLetters,
    read: ({ fate = 'OPEN', limit: _, cursor: __, ...filter }, after, count) => {
      const search = searchDeadLetters(deadLetterFilterOf(filter), fate, after ?? FIRST)
      return {
        sql: `
          select ${deadLetters.columns}, ${positionSql('died_at', 'dead_letter_id')}
          from (
            select dead_letter_id as id
            from (${search.sql}) as matching
            limit $${search.values.length + 1}
          ) as page
          cross join lateral (
            select *
            from ops.dead_letters
            where dead_letter_id = page.id
            offset 0
          ) as listed
          order by died_at desc, dead_letter_id desc`,
        values: [...search.values, count],
      }
    },
  })

/** Returns the filter of a query. */
export function deadLetterFilterOf(
  filter: {
    [name in keyof typeof deadLetterFilter]?: string | undefined
  },
) {
  const { queue, type, error, since: from, until: before } = filter
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(type === undefined ? {} : { type }),
    ...(error === undefined ? {} : { error }),
    ...(from === undefined ? {} : { since: new Date(from) }),
    ...(before === undefined ? {} : { until: new Date(before) }),
  }
}

const quarantined = rowsOf('OpsQuarantinedEvent', viewNamed('quarantined_events'), {
  event_id: id(EVENT),
  event_type: text('order.placed.v9'),
  order_id: orNull(id(demoIds.order)),
  written_at: time(AT),
  quarantined_at: time(AT),
  error: text('no route for the type order.placed.v9'),
})

export type QuarantinedEventReply = (typeof quarantined)['example']

const quarantineRoute = (options: OpsRoutesOptions) =>
  opsList(options, {
    path: '/api/v1/ops/quarantined-events',
    operationId: 'listOpsQuarantinedEvents',
    summary: 'List quarantined events',
    description: `Returns events that the dispatcher could not dispatch, the latest first. \`since\` and \`until\` refer to the time of the quarantine. ${paging}`,
    statusDescription: 'A page of quarantined events',
    query: z.strictObject({ type: eventType, error: errorText, since, until, ...paginationFields }),
    rows: quarantined,
    read: ({ type, error, since: from, until: before }, after, count) => ({
      sql: `
        select ${quarantined.columns}, ${positionSql('quarantined_at', 'event_id')}
        from ops.quarantined_events
        where ($1::text is null or event_type = $1)
          and ($2::text is null or position(lower($2) in lower(error)) > 0)
          and quarantined_at >= $3::timestamptz
          and quarantined_at < $4::timestamptz
          and (quarantined_at, event_id) < ($5::timestamptz, $6::uuid)
        order by quarantined_at desc, event_id desc
        limit $7`,
      values: [
        type ?? null,
        error ?? null,
        from ?? '-infinity',
        before ?? MAX_TIME,
        ...(after ?? FIRST),
        count,
      ],
    }),
  })
