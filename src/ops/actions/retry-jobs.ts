import type { PgBoss } from 'pg-boss'
import type { Tx } from '../../db/transaction.ts'
import { audit, type Operator } from './audit.ts'
import { redriveDeadLetters } from './dead-letters.ts'

/**
 * Makes jobs of a queue due now that wait for another attempt, and retries those that used up their
 * attempts: from their dead letter, if there is one. Safe at any time, as `retryJob`.
 * @returns how many are retried, and why others are not; the rest no longer waits or has a decided
 *   dead letter
 */
export async function retryJobs(
  tx: Tx,
  boss: PgBoss,
  queue: string,
  ids: readonly string[],
  operator: Operator,
): Promise<{ done: number; failed: string[] }> {
  const jobs = await tx.query<{ id: string; state: 'retry' | 'failed' }>(lockSql, [queue, ids])
  const waiting = jobs.filter(({ state }) => state === 'retry').map(({ id }) => id)
  const failed = jobs.filter(({ state }) => state === 'failed').map(({ id }) => id)
  const letters = await tx.query<{ dead_letter_id: string; job_id: string; fate: string }>(lettersSql, [
    queue,
    failed,
  ])
  const open = letters.filter(({ fate }) => fate === 'OPEN').map(({ dead_letter_id }) => dead_letter_id)
  const redriven = await redriveDeadLetters(tx, boss, { letters: open }, Math.max(1, open.length), operator)
  const ofLetters = new Set(letters.map(({ job_id }) => job_id))
  const plain = failed.filter(id => !ofLetters.has(id))
  if (waiting.length > 0) await tx.execute(dueNowSql, [queue, waiting])
  if (plain.length > 0) await boss.retry(queue, plain, { db: tx })
  const retried = [...waiting, ...plain]
  if (retried.length > 0) await audit(tx, operator, 'retry', { queue, jobs: retried })
  return { done: retried.length + redriven.done.length, failed: redriven.refused.map(({ why }) => why) }
}

const lockSql = `
  select id, state
  from pgboss.job
  where name = $1
    and id = any($2::uuid[])
    and state in ('retry', 'failed')
  order by id
  for update
`

const lettersSql = `
  select distinct on (job_id) dead_letter_id, job_id, fate
  from dead_letters
  where queue = $1
    and job_id = any($2::uuid[])
    and event_id is not null
  order by job_id, dead_at desc
`

const dueNowSql = `
  update pgboss.job
  set start_after = now()
  where name = $1
    and id = any($2::uuid[])
    and state = 'retry'
`
