import type { PgBoss } from 'pg-boss'
import type { Tx } from '../../db/transaction.ts'
import { queueNames } from '../../jobs/queues.ts'
import { ChangeRefused, NotFound } from '../../platform/errors.ts'
import { DELIVERIES, type DeliveryState, retryNow } from '../../webhooks/deliveries.ts'
import { audit, type Operator } from './audit.ts'
import { redriveDeadLetters } from './dead-letters.ts'

interface FoundLetter {
  queue: string
  dead_letter_id: string
  event_id: string | null
  fate: 'OPEN' | 'REDRIVEN' | 'DISCARDED'
  redriven_job_id: string | null
}

export interface Retried {
  queue: string
  job_id: string
  /** the new job of a dead letter that was redriven; null: the job itself is due now */
  redriven_job_id: string | null
}

interface FoundJob {
  name: string
  state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
}

/**
 * Makes a job or webhook delivery due now. A failed job and a dead delivery are redriven from
 * their dead letter. Safe at any time: no event has its effect twice. Atomic: the change and the
 * audit record are written together, or not at all.
 * @throws NotFound; ChangeRefused
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
    throw new ChangeRefused(`the job is ${state}`)
  }
  await audit(tx, operator, 'retry', { queue, job_id: jobId, state })
  return { queue, job_id: jobId, redriven_job_id: null }
}

async function retryDelivery(tx: Tx, boss: PgBoss, deliveryId: string, operator: Operator): Promise<Retried> {
  const [delivery] = await tx.query<{ state: DeliveryState }>(deliverySql, [deliveryId])
  if (!delivery) return await retryDeletedJob(tx, boss, deliveryId, operator)
  const { state } = delivery
  const job = { queue: DELIVERIES, job_id: deliveryId }
  const [letter] = state === 'DEAD' ? await tx.query<FoundLetter>(letterSql, [DELIVERIES, deliveryId]) : []
  if (letter) return await redriveLetter(tx, boss, letter, job, operator)
  if (!(await retryNow(tx, [deliveryId])))
    throw new ChangeRefused(`the delivery is ${state} and does not wait for a retry`)
  await audit(tx, operator, 'retry', { ...job, state })
  return { ...job, redriven_job_id: null }
}

/** pg-boss deletes a finished job long before its dead letter is too old to be redriven. */
async function retryDeletedJob(tx: Tx, boss: PgBoss, jobId: string, operator: Operator): Promise<Retried> {
  const [letter] = await tx.query<FoundLetter>(letterSql, [null, jobId])
  if (!letter) throw new NotFound('job', jobId)
  return await redriveLetter(tx, boss, letter, { queue: letter.queue, job_id: jobId }, operator)
}

async function redriveLetter(
  tx: Tx,
  boss: PgBoss,
  { dead_letter_id, fate }: FoundLetter,
  job: { queue: string; job_id: string },
  operator: Operator,
): Promise<Retried> {
  if (fate !== 'OPEN') throw new ChangeRefused(`the dead letter of the job was ${fate.toLowerCase()} already`)
  const { done, refused } = await redriveDeadLetters(tx, boss, { ids: [dead_letter_id] }, 1, operator)
  if (done.length === 0) throw new ChangeRefused(refused[0]?.why ?? 'the dead letter was decided meanwhile')
  const [letter] = await tx.query<FoundLetter>(letterSql, [job.queue, job.job_id])
  return { ...job, redriven_job_id: letter?.redriven_job_id ?? null }
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
  select dead_letter_id, queue, event_id, fate, redriven_job_id
  from dead_letters
  where queue = coalesce($1::text, queue)
    and job_id = $2
  order by dead_at desc
  limit 1
`
