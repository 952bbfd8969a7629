import type { PgBoss } from 'pg-boss'
import type { Sql, Tx } from '../../db/transaction.ts'
import { newId } from '../../platform/ids.ts'
import { MAX_REPLAY_DAYS } from '../../platform/retention.ts'
import { audit, type Operator } from './audit.ts'

/** Which open dead letters are meant; what is left out does not narrow. */
export interface DeadLetterFilter {
  /** ids of dead letters, their jobs, events or orders */
  ids?: string[]
  /** event type, e.g. `order.placed.v1` */
  type?: string
  /** text that the error contains, in any case */
  error?: string
  /** died at or after */
  since?: Date
  /** died before */
  until?: Date
}

/** Decided ones too: for looking, never for changing. */
export interface DeadLetterSearch extends DeadLetterFilter {
  decided?: boolean
}

export interface DeadLetter {
  dead_letter_id: string
  queue: string
  event_id: string | null
  event_type: string | null
  order_id: string | null
  data: object | null
  error: { message?: string } | null
  attempts: number
  dead_at: Date
  fate: 'OPEN' | 'REDRIVEN' | 'DISCARDED'
  /** from before what is remembered of processed events: working it again could have its effect twice */
  beyond_horizon: boolean
}

/** Dead letters, oldest first; open ones, unless those are wanted too that have been decided on. @param limit rows, 1..10000 */
export async function findDeadLetters(
  sql: Sql,
  search: DeadLetterSearch,
  limit: number,
): Promise<DeadLetter[]> {
  const fates = search.decided ? ['OPEN', 'REDRIVEN', 'DISCARDED'] : ['OPEN']
  return await sql.query<DeadLetter>(`${findSql} limit $6`, [...filterValues(search), limit, fates])
}

/** What became of the letters that were asked for. */
export interface Decided {
  done: DeadLetter[]
  /** left as they are: they lie beyond the horizon, or carry no event */
  refused: DeadLetter[]
}

/**
 * Gives dead letters to their queues again, as new jobs. Safe at any later time: what an event has done is remembered
 * for longer than a redrive may reach back, so a second effect is impossible.
 * Atomic: jobs, fates and the audit are written together, or not at all.
 */
export async function redriveDeadLetters(
  tx: Tx,
  boss: PgBoss,
  filter: DeadLetterFilter,
  limit: number,
  operator: Operator,
): Promise<Decided> {
  const letters = await lockDeadLetters(tx, filter, limit)
  const refused = letters.filter(letter => letter.beyond_horizon || letter.event_id === null)
  const done = letters.filter(letter => !refused.includes(letter))
  const jobs = done.map(letter => ({ ...letter, job_id: newId() }))
  for (const [queue, its] of Map.groupBy(jobs, ({ queue }) => queue)) {
    const inserts = its.map(({ job_id, data }) => ({ id: job_id, data: data ?? {} }))
    await boss.insert(queue, inserts, { db: tx })
  }
  const fates = jobs.map(({ dead_letter_id, job_id }) => ({ dead_letter_id, job_id }))
  await decide(tx, 'REDRIVEN', fates)
  if (done.length > 0) await audit(tx, operator, 'redrive', { filter, dead_letters: fates })
  return { done, refused }
}

/** Closes dead letters without working them again. They stay on record. */
export async function discardDeadLetters(
  tx: Tx,
  filter: DeadLetterFilter,
  limit: number,
  operator: Operator,
): Promise<Decided> {
  const done = await lockDeadLetters(tx, filter, limit)
  const fates = done.map(({ dead_letter_id }) => ({ dead_letter_id, job_id: null }))
  await decide(tx, 'DISCARDED', fates)
  if (done.length > 0) await audit(tx, operator, 'discard', { filter, dead_letters: fates })
  return { done, refused: [] }
}

async function lockDeadLetters(tx: Tx, filter: DeadLetterFilter, limit: number): Promise<DeadLetter[]> {
  return await tx.query<DeadLetter>(`${findSql} limit $6 for update`, [
    ...filterValues(filter),
    limit,
    ['OPEN'],
  ])
}

async function decide(
  tx: Tx,
  fate: 'REDRIVEN' | 'DISCARDED',
  letters: { dead_letter_id: string; job_id: string | null }[],
): Promise<void> {
  const decided = await tx.execute(decideSql, [fate, JSON.stringify(letters)])
  if (decided !== letters.length) throw new Error(`decided ${decided} of ${letters.length} dead letters`)
}

function filterValues({ ids, type, error, since, until }: DeadLetterFilter): unknown[] {
  return [ids ?? null, type ?? null, error ?? null, since ?? null, until ?? null]
}

const findSql = `
  select dead_letter_id, queue, event_id, event_type, order_id, data, error, attempts, dead_at, fate,
    coalesce(uuid_extract_timestamp(event_id) < now() - interval '${MAX_REPLAY_DAYS} days', false) as beyond_horizon
  from dead_letters
  where fate = any($7::text[])
    and ($1::uuid[] is null or dead_letter_id = any($1) or job_id = any($1) or event_id = any($1) or order_id = any($1))
    and ($2::text is null or event_type = $2)
    and ($3::text is null or position(lower($3) in lower(error::text)) > 0)
    and ($4::timestamptz is null or dead_at >= $4)
    and ($5::timestamptz is null or dead_at < $5)
  order by dead_at, dead_letter_id
`

const decideSql = `
  update dead_letters
  set fate = $1, fate_at = clock_timestamp(), redriven_job_id = letter.job_id
  from json_to_recordset($2::text::json) as letter (dead_letter_id uuid, job_id uuid)
  where dead_letters.dead_letter_id = letter.dead_letter_id
    and fate = 'OPEN'
`
