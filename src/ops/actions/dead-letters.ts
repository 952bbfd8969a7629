import type { PgBoss } from 'pg-boss'
import type { Sql, Tx } from '../../db/transaction.ts'
import { insertOrRefuse } from '../../jobs/insert-or-refuse.ts'
import { newId } from '../../platform/ids.ts'
import { REDRIVE_SHARE } from '../../platform/retention.ts'
import { DELIVERIES, reopenDeliveries } from '../../webhooks/deliveries.ts'
import { audit, type Operator } from './audit.ts'

/** Selects open dead letters by all of the given fields. */
export interface DeadLetterFilter {
  /** ids of the dead letters themselves */
  letters?: readonly string[]
  /** ids of dead letters, their jobs, events or orders */
  ids?: string[]
  queue?: string
  /** event type, e.g. `order.placed.v1` */
  type?: string
  /** text that the error contains, in any case */
  error?: string
  /** time of death, inclusive */
  since?: Date
  /** time of death, exclusive */
  until?: Date
}

export interface DeadLetterSearch extends DeadLetterFilter {
  /** includes dead letters that were redriven or discarded */
  decided?: boolean
}

export interface DeadLetter {
  dead_letter_id: string
  queue: string
  event_id: string | null
  event_type: string | null
  order_id: string | null
  data: { delivery_id?: string } | null
  error: { message?: string } | null
  attempts: number
  dead_at: Date
  fate: 'OPEN' | 'REDRIVEN' | 'DISCARDED'
  /** older than `processed_events` guarantees: a redrive could repeat the effect of the event */
  beyond_horizon: boolean
}

/** Returns dead letters, oldest first. @param limit rows, 1..10000 */
export async function findDeadLetters(
  sql: Sql,
  search: DeadLetterSearch,
  limit: number,
): Promise<DeadLetter[]> {
  const fates = search.decided ? ['OPEN', 'REDRIVEN', 'DISCARDED'] : ['OPEN']
  const { condition, values } = conditionOf(search)
  return await sql.query<DeadLetter>(findSql(condition, values.length + 1), [...values, fates, limit])
}

/** The outcome of a redrive or discard. */
export interface Decided {
  done: DeadLetter[]
  /** unchanged, each with the reason */
  refused: (DeadLetter & { why: string })[]
}

/**
 * Inserts a new job for each matching open dead letter, or reopens its webhook delivery. Safe at
 * any later time: `processed_events` is kept for longer than a redrive may reach back, so that no
 * event has its effect twice.
 * Atomic: jobs, fates and the audit record are written together, or not at all.
 * @param limit dead letters, 1..10000, oldest first
 */
export async function redriveDeadLetters(
  tx: Tx,
  boss: PgBoss,
  filter: DeadLetterFilter,
  limit: number,
  operator: Operator,
): Promise<Decided> {
  const letters = await lockDeadLetters(tx, filter, limit)
  const jobs = letters.flatMap(letter =>
    letter.beyond_horizon || letter.event_id === null
      ? []
      : [
          {
            letter,
            id: deliveryOf(letter) ?? newId(),
            singletonKey: letter.event_id,
            data: letter.data ?? {},
          },
        ],
  )
  const refusedJobs = new Set<string>()
  for (const [queue, queueJobs] of Map.groupBy(jobs, ({ letter }) => letter.queue)) {
    const inserts = queueJobs.map(({ letter: _, ...job }) => job)
    const refused =
      queue === DELIVERIES
        ? await reopenDeliveries(
            tx,
            inserts.map(({ id }) => id),
          )
        : await insertOrRefuse(tx, boss, queue, inserts)
    for (const id of refused) refusedJobs.add(id)
  }
  const redriven = jobs.filter(({ id }) => !refusedJobs.has(id))
  const done = redriven.map(({ letter }) => letter)
  const fates = redriven.map(({ letter, id }) => ({ dead_letter_id: letter.dead_letter_id, job_id: id }))
  await decide(tx, 'REDRIVEN', fates)
  if (done.length > 0) await audit(tx, operator, 'redrive', { ...auditOf(filter), dead_letters: fates })
  const redrivenIds = new Set(done.map(({ dead_letter_id }) => dead_letter_id))
  const refused = letters.filter(({ dead_letter_id }) => !redrivenIds.has(dead_letter_id))
  return { done, refused: refused.map(letter => ({ ...letter, why: refusalOf(letter) })) }
}

/** Returns why a dead letter is not redriven. */
function refusalOf({ queue, event_id, beyond_horizon }: DeadLetter): string {
  if (event_id === null) return 'the job has no event'
  if (beyond_horizon) return 'the event is too old to be redriven'
  return queue === DELIVERIES ? 'the webhook delivery is deleted' : 'the event has an unfinished job'
}

/** The audit of an action on many names the action, which has the filter. */
function auditOf({ letters, ...filter }: DeadLetterFilter): object {
  return letters === undefined ? { filter } : {}
}

/** Returns the id of the webhook delivery that a dead letter is about. */
function deliveryOf({ queue, data }: DeadLetter): string | undefined {
  return queue === DELIVERIES ? data?.delivery_id : undefined
}

/** Closes dead letters without a new job. They stay on record. Atomic, with the audit record. */
export async function discardDeadLetters(
  tx: Tx,
  filter: DeadLetterFilter,
  limit: number,
  operator: Operator,
): Promise<Decided> {
  const done = await lockDeadLetters(tx, filter, limit)
  const fates = done.map(({ dead_letter_id }) => ({ dead_letter_id, job_id: null }))
  await decide(tx, 'DISCARDED', fates)
  if (done.length > 0) await audit(tx, operator, 'discard', { ...auditOf(filter), dead_letters: fates })
  return { done, refused: [] }
}

async function lockDeadLetters(tx: Tx, filter: DeadLetterFilter, limit: number): Promise<DeadLetter[]> {
  const { condition, values } = conditionOf(filter)
  const lockSql = `${findSql(condition, values.length + 1)} for update of dead_letters`
  return await tx.query<DeadLetter>(lockSql, [...values, ['OPEN'], limit])
}

async function decide(
  tx: Tx,
  fate: 'REDRIVEN' | 'DISCARDED',
  letters: { dead_letter_id: string; job_id: string | null }[],
): Promise<void> {
  const decided = await tx.execute(decideSql, [fate, JSON.stringify(letters)])
  if (decided !== letters.length) throw new Error(`updated ${decided} of ${letters.length} dead letters`)
}

type Conditions = {
  [Name in keyof DeadLetterFilter]?:
    | DeadLetterFilter[Name]
    | (Name extends 'since' | 'until' ? string : never)
    | undefined
}

/**
 * Returns the condition of a filter on `dead_letters`. Absent filters are no part of it, so that
 * Postgres can plan with an index for the others.
 * @param first number of its first parameter
 */
export function conditionOf(
  { letters, ids, queue, type, error, since, until }: Conditions,
  first = 1,
): {
  condition: string
  values: unknown[]
} {
  const parts: [sql: string, value: unknown][] = [
    ['dead_letter_id = any(?::uuid[])', letters],
    ['(dead_letter_id = any(?) or job_id = any(?) or event_id = any(?) or order_id = any(?))', ids],
    ['queue = ?', queue],
    ['event_type = ?', type],
    // In JSON, quotes and line breaks of the message are escaped.
    [
      `(position(lower(?) in lower(error::text)) > 0 or position(lower(?) in lower(error ->> 'message')) > 0)`,
      error,
    ],
    ['dead_at >= ?', since],
    ['dead_at < ?', until],
  ]
  const given = parts.filter(([, value]) => value !== undefined)
  return {
    condition: ['true', ...given.map(([sql], index) => sql.replaceAll('?', `$${index + first}`))].join(
      '\n    and ',
    ),
    values: given.map(([, value]) => value),
  }
}

/** Selects dead letters of the fates `$n`, oldest first, at most `$n+1`. */
const findSql = (condition: string, fates: number) => `
  select dead_letter_id, queue, event_id, event_type, order_id, data, error, attempts, dead_at, fate,
    coalesce(uuid_extract_timestamp(event_id) < processed.redrivable_since, false) as beyond_horizon
  from dead_letters
  cross join (
    select greatest(kept_since, now() - ${REDRIVE_SHARE} * minutes * interval '1 minute') as redrivable_since
    from retention
    where name = 'processed_events'
  ) as processed
  where ${condition}
    and fate = any($${fates}::text[])
  order by dead_at, dead_letter_id
  limit $${fates + 1}
`

const decideSql = `
  update dead_letters
  set fate = $1, fate_at = clock_timestamp(), redriven_job_id = letter.job_id
  from json_to_recordset($2::text::json) as letter (dead_letter_id uuid, job_id uuid)
  where dead_letters.dead_letter_id = letter.dead_letter_id
    and fate = 'OPEN'
`
