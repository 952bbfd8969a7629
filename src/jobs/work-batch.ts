import type { Job, PgBoss } from 'pg-boss'
import { isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'
import type { JobTrials } from './job-trials.ts'

/** Works a batch of jobs in `tx`. A throw means: none of it happened, try again. */
type BatchWork<Data> = (tx: Tx, jobs: Job<Data>[]) => Promise<void>

export interface BatchOptions<Data> {
  boss: PgBoss
  queue: string
  work: BatchWork<Data>
  trials: JobTrials
  log: Logger
}

/** Whoever takes a job sees that its process died of it. */
class WorkerDied extends Error {
  override name = 'WorkerDied'

  constructor() {
    super('the worker process died while it worked on this job alone')
  }
}

/**
 * Works a batch so that one poisonous job costs its neighbours nothing: all at once first; when that fails, each job
 * alone, and those that fail alone are failed alone (their retries, their backoff, their dead letter).
 *
 * A job that was begun before (`retryCount`) may be the one that its process died of, with all of its batch: such jobs
 * are taken one by one, each written down first. One that a process died of is failed unless it is alone, so that
 * the next death costs nobody else an attempt; its attempts count, so that it ends as a dead letter.
 *
 * Atomic: effects, completions and failures commit together, in the transaction that pg-boss opened for the batch.
 * @throws when the database is away: then pg-boss fails the batch, and all of it is retried
 */
export async function workBatch<Data>(tx: Tx, jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  const unsuspected = jobs.filter(({ retryCount }) => retryCount === 0)
  const suspects = jobs.filter(({ retryCount }) => retryCount > 0)
  if (unsuspected.length > 0) await workTogether(tx, unsuspected, options)
  if (suspects.length > 0) await workSuspects(tx, suspects, jobs.length > 1, options)
}

async function workTogether<Data>(tx: Tx, jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  const { queue, work, log } = options
  try {
    await tx.savepoint(() => work(tx, jobs))
  } catch (error) {
    if (isUnavailable(error)) throw error
    const [only] = jobs
    if (only && jobs.length === 1) return await failJob(tx, only, error, options)
    log.warn({ queue, jobs: jobs.length, error: String(error) }, 'batch failed; trying its jobs one by one')
    for (const job of jobs) await workAlone(tx, job, options)
  }
}

async function workSuspects<Data>(
  tx: Tx,
  suspects: Job<Data>[],
  inCompany: boolean,
  options: BatchOptions<Data>,
): Promise<void> {
  const { trials } = options
  const ids = suspects.map(({ id }) => id)
  const culprits = await trials.unfinished(ids)
  let previousId: string | undefined
  for (const job of suspects) {
    if (inCompany && culprits.has(job.id)) {
      await failJob(tx, job, new WorkerDied(), options)
    } else {
      await trials.begin(job.id, previousId)
      previousId = job.id
      await workAlone(tx, job, options)
    }
  }
  await trials.end(tx, ids)
}

async function workAlone<Data>(tx: Tx, job: Job<Data>, options: BatchOptions<Data>): Promise<void> {
  try {
    await tx.savepoint(() => options.work(tx, [job]))
  } catch (error) {
    if (isUnavailable(error)) throw error
    await failJob(tx, job, error, options)
  }
}

async function failJob<Data>(
  tx: Tx,
  job: Job<Data>,
  error: unknown,
  { boss, queue, log }: BatchOptions<Data>,
): Promise<void> {
  await boss.fail(queue, job, error as object, { db: tx })
  log.error(
    { queue, job_id: job.id, retry_count: job.retryCount, error: String(error) },
    `${queue}: job failed`,
  )
}
