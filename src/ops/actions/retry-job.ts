import type { PgBoss } from 'pg-boss'
import type { Tx } from '../../db/transaction.ts'
import { queueNames } from '../../jobs/queues.ts'
import { DELIVERIES, type DeliveryState, retryNow } from '../../webhooks/deliveries.ts'
import { audit, type Operator } from './audit.ts'
import { redriveDeadLetters } from './dead-letters.ts'

interface FoundLetter {
  dead_letter_id: string
  event_id: string | null
  fate: 'OPEN' | 'REDRIVEN' | 'DISCARDED'
  redriven_job_id: string | null
}

export type Retried =
  | { outcome: 'due now'; queue: string; job_id: string }
  /** the job was a dead letter and was redriven as a new job */
  | { outcome: 'redriven'; queue: string; job_id: string; redriven_job_id: string }
  | { outcome: 'refused'; why: string }

interface FoundJob {
  name: string
  state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
}

/**
 * Makes a job or webhook delivery due now. A failed job and a dead delivery are redriven from
 * their dead letter. Safe at any time: no event has its effect twice. Atomic: the change and the
 * audit record are written together, or not at all.
 */
export async function retryJob(tx: Tx, boss: PgBoss, jobId: string, operator: Operator): Promise<Retried> {
  const [job] = await tx.query<FoundJob>(findSql, [queueNames, jobId])
  if (!job) return await retryDelivery(tx, boss, jobId, operator)
  const { name: queue, state } = job
  if (state === 'created' || state === 'retry') {
    await boss.update(queue, undefined, { id: jobId, startAfter: 0, db: tx })
  } else if (state === 'failed') {
    const [letter] = await tx.query<FoundLetter>(letterSql, [queue, jobId])
    if (letter?.event_id) return await redriveLetter(tx, boss, letter, { queue, job_id: jobId }, operator)
    await boss.retry(queue, jobId, { db: tx })
  } else if (state === 'cancelled') {
    await boss.resume(queue, jobId, { db: tx })
  } else {
    return { outcome: 'refused', why: `the job is ${state}` }
  }
  await audit(tx, operator, 'retry', { queue, job_id: jobId, state })
  return { outcome: 'due now', queue, job_id: jobId }
}

async function retryDelivery(tx: Tx, boss: PgBoss, deliveryId: string, operator: Operator): Promise<Retried> {
  const [delivery] = await tx.query<{ state: DeliveryState }>(deliverySql, [deliveryId])
  if (!delivery) return { outcome: 'refused', why: `no queue has a job ${deliveryId}` }
  const { state } = delivery
  const job = { queue: DELIVERIES, job_id: deliveryId }
  const [letter] = state === 'DEAD' ? await tx.query<FoundLetter>(letterSql, [DELIVERIES, deliveryId]) : []
  if (letter) return await redriveLetter(tx, boss, letter, job, operator)
  if (!(await retryNow(tx, deliveryId)))
    return { outcome: 'refused', why: `the delivery is ${state} and does not wait for a retry` }
  await audit(tx, operator, 'retry', { ...job, state })
  return { outcome: 'due now', ...job }
}

async function redriveLetter(
  tx: Tx,
  boss: PgBoss,
  { dead_letter_id, fate }: FoundLetter,
  job: { queue: string; job_id: string },
  operator: Operator,
): Promise<Retried> {
  if (fate !== 'OPEN')
    return { outcome: 'refused', why: `the dead letter of the job was ${fate.toLowerCase()} already` }
  const { done } = await redriveDeadLetters(tx, boss, { ids: [dead_letter_id] }, 1, operator)
  if (done.length === 0)
    return {
      outcome: 'refused',
      why: 'the event of the job is too old to be redriven, or has an unfinished job',
    }
  const [letter] = await tx.query<FoundLetter>(letterSql, [job.queue, job.job_id])
  return { outcome: 'redriven', ...job, redriven_job_id: letter?.redriven_job_id ?? '' }
}

const findSql = `
  select name, state
  from pgboss.job
  where name = any($1::text[])
    and id = $2
  for update
`

const deliverySql = `
  select state
  from webhook_deliveries
  where delivery_id = $1
  for update
`

const letterSql = `
  select dead_letter_id, event_id, fate, redriven_job_id
  from dead_letters
  where queue = $1
    and job_id = $2
  order by dead_at desc
  limit 1
`
