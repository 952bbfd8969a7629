import type { PgBoss } from 'pg-boss'
import type { Tx } from '../../db/transaction.ts'
import { DELIVERIES, redeliverMany, TEST_EVENT } from '../../webhooks/deliveries.ts'
import { byFateSql } from '../views/by-fate-sql.ts'
import { audit, type Operator } from './audit.ts'
import { conditionOf, type Decided, discardDeadLetters, redriveDeadLetters } from './dead-letters.ts'
import { releaseEvents } from './release-events.ts'
import { retryJobs } from './retry-jobs.ts'

/** Selects the objects of an action by all of the given fields. */
export interface ActionFilter {
  /** one dead letter or event */
  id?: string | undefined
  queue?: string | undefined
  /** type of the event */
  type?: string | undefined
  /** text that the error contains, in any case */
  error?: string | undefined
  /** RFC 3339, inclusive */
  since?: string | undefined
  /** RFC 3339, exclusive */
  until?: string | undefined
  state?: string | undefined
  webhook_id?: string | undefined
}

/** Parts of a query for the objects that match, with its parameters. */
interface Matching {
  /** `target_id`, `queue`, `event_type`, `error` and `state` */
  columns: string
  from: string
  /** the oldest first, in a total order */
  order: string
  values: unknown[]
}

/** What became of the objects of a transaction; the others no longer matched. */
export interface Worked {
  done: number
  /** reasons of those that could not be changed */
  failed: string[]
}

export interface ActionKind {
  /** the fields of the filter that apply */
  fields: readonly (keyof ActionFilter)[]
  required: readonly (keyof ActionFilter)[]
  states?: readonly string[]
  /** the objects, and what is done to them, for the result */
  noun: string
  done: string
  match: (filter: ActionFilter) => Matching
  /** Changes objects, with an audit record. */
  work: (context: Context, ids: readonly string[], filter: ActionFilter) => Promise<Worked>
}

interface Context {
  tx: Tx
  boss: PgBoss
  operator: Operator
}

/** Objects that an action has at most, the oldest first. */
export const MAX_TARGET_COUNT = 100_000

const deadLetters = {
  fields: ['id', 'queue', 'type', 'error', 'since', 'until'],
  required: [],
  noun: 'dead letter',
  match: ({ id, queue, type, error, since, until }: ActionFilter) => {
    const letters = id === undefined ? undefined : [id]
    const { condition, values } = conditionOf({ letters, queue, since, until })
    const indexed = byFateSql(`'OPEN'`, queue === undefined ? undefined : `$${values.push(queue)}`)
    const searched = conditionOf({ type, error }, values.length + 1)
    const open = `dead_letters where ${condition} and fate = 'OPEN' and ${indexed}`
    return {
      columns: `dead_letter_id as target_id, queue, event_type, coalesce(error ->> 'message', error::text) as error, null::text as state`,
      // No index has type and error, and a defect can leave a million dead letters.
      from:
        searched.values.length === 0
          ? open
          : `(select * from ${open} order by dead_at desc, dead_letter_id desc limit ${MAX_TARGET_COUNT}) as latest where ${searched.condition}`,
      order: 'dead_at, dead_letter_id',
      values: [...values, ...searched.values],
    }
  },
} as const

const workedOf = ({ done, refused }: Decided): Worked => ({
  done: done.length,
  failed: refused.map(({ why }) => why),
})

/** Every kind of action on many objects. */
const actionKinds = {
  'dead-letters.redrive': {
    ...deadLetters,
    done: 'redriven',
    work: async ({ tx, boss, operator }, letters) =>
      workedOf(await redriveDeadLetters(tx, boss, { letters }, letters.length, operator)),
  },
  'dead-letters.discard': {
    ...deadLetters,
    done: 'discarded',
    work: async ({ tx, operator }, letters) =>
      workedOf(await discardDeadLetters(tx, { letters }, letters.length, operator)),
  },
  'quarantine.release': {
    fields: ['id', 'type', 'error', 'since', 'until'],
    required: [],
    noun: 'event',
    done: 'released',
    match: ({ id, type, error, since, until }) => ({
      columns: 'event_id as target_id, null::text as queue, type as event_type, error, null::text as state',
      from: `outbox_events
        where quarantined_at is not null
          and ($1::text is null or type = $1)
          and ($2::text is null or position(lower($2) in lower(error)) > 0)
          and ($3::timestamptz is null or quarantined_at >= $3)
          and ($4::timestamptz is null or quarantined_at < $4)
          and ($5::uuid is null or event_id = $5)`,
      order: 'quarantined_at, event_id',
      values: [type ?? null, error ?? null, since ?? null, until ?? null, id ?? null],
    }),
    work: async ({ tx, operator }, ids) => {
      const events = await releaseEvents(tx, [...ids], ids.length, operator)
      return { done: events.length, failed: [] }
    },
  },
  'jobs.retry': {
    fields: ['queue', 'state', 'type', 'error', 'since', 'until'],
    required: ['queue'],
    states: ['retry', 'failed'],
    noun: 'job',
    done: 'retried',
    match: ({ queue, state, type, error, since, until }) => ({
      columns: `id as target_id, name as queue, data ->> 'type' as event_type,
        coalesce(output ->> 'message', output #>> '{value,message}', output::text) as error, state::text as state`,
      from: `pgboss.job
        where name = $1
          and state in ('retry', 'failed')
          and ($2::text is null or state::text = $2)
          and not blocked
          and ($3::text is null or data ->> 'type' = $3)
          and (
            $4::text is null
            or position(lower($4) in lower(output::text)) > 0
            or position(lower($4) in lower(coalesce(output ->> 'message', output #>> '{value,message}'))) > 0
          )
          and ($5::timestamptz is null or start_after >= $5)
          and ($6::timestamptz is null or start_after < $6)`,
      order: 'start_after, id',
      values: [queue, state ?? null, type ?? null, error ?? null, since ?? null, until ?? null],
    }),
    work: async ({ tx, boss, operator }, ids, { queue = '' }) =>
      await retryJobs(tx, boss, queue, ids, operator),
  },
  'webhooks.redeliver': {
    fields: ['webhook_id', 'since', 'until', 'type', 'state'],
    required: ['webhook_id', 'since'],
    states: ['PENDING', 'DELIVERED', 'DEAD', 'DISCARDED'],
    noun: 'delivery',
    done: 'sent again',
    match: ({ webhook_id, since, until, type, state }) => ({
      columns: `delivery_id as target_id, '${DELIVERIES}' as queue, type as event_type, reason as error, state`,
      from: `webhook_deliveries
        where webhook_id = $1
          and created_at >= $2::timestamptz
          and ($3::timestamptz is null or created_at < $3)
          and ($4::text is null or type = $4)
          and ($5::text is null or state = $5)
          and type <> '${TEST_EVENT}'`,
      order: 'delivery_id',
      values: [webhook_id, since, until ?? null, type ?? null, state ?? null],
    }),
    work: async ({ tx, boss, operator }, ids, { webhook_id }) => {
      const letters = await tx.query<{ dead_letter_id: string; job_id: string }>(lettersSql, [ids])
      const dead = letters.map(({ dead_letter_id }) => dead_letter_id)
      const redriven =
        dead.length === 0
          ? { done: 0, failed: [] }
          : workedOf(await redriveDeadLetters(tx, boss, { letters: dead }, dead.length, operator))
      const ofLetters = new Set(letters.map(({ job_id }) => job_id))
      const sent = await redeliverMany(
        tx,
        ids.filter(id => !ofLetters.has(id)),
      )
      if (sent.length > 0) await audit(tx, operator, 'redeliver', { webhook_id, deliveries: sent })
      return { done: redriven.done + sent.length, failed: redriven.failed }
    },
  },
} as const satisfies Record<string, ActionKind>

export type ActionKindName = keyof typeof actionKinds

export const actionKindNames = Object.keys(actionKinds) as ActionKindName[]

/** Returns the kind of this name. */
export const kindOf = (name: ActionKindName): ActionKind => actionKinds[name]

const lettersSql = `
  select dead_letter_id, job_id
  from dead_letters
  where queue = '${DELIVERIES}'
    and job_id = any($1::uuid[])
    and fate = 'OPEN'
`
