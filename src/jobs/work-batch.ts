import type { Job, PgBoss } from 'pg-boss'
import type { Database } from '../db/database.ts'
import { isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'
import { countFailure, countRetries } from './job-metrics.ts'
import type { PoisonTracker } from './poison-tracker.ts'

/** Works a batch of jobs in `tx`. A throw means: none of it happened, try again. */
type BatchWork<Data> = (tx: Tx, jobs: Job<Data>[]) => Promise<void>

export interface BatchOptions<Data> {
  database: Database
  boss: PgBoss
  queue: string
  work: BatchWork<Data>
  trials: PoisonTracker
  log: Logger
  /** what a job is about, for its log lines */
  fieldsOf: (data: Data) => Record<string, unknown>
}

/** Whoever takes a job sees that its process died of it. */
class WorkerDied extends Error {
  override name = 'WorkerDied'

  constructor() {
    super('the worker process died while it worked on this job alone')
  }
}

/** A job went to another worker, because this one was silent for too long: its work here must not stand. */
class ClaimLost extends Error {
  override name = 'ClaimLost'

  constructor(lost: number, queue: string) {
    super(`${lost} of the jobs of ${queue} belong to another worker by now`)
  }
}

/**
 * Works a batch so that one poisonous job costs its neighbours nothing: all at once first; when that fails, each job
 * alone, in a transaction of its own, and those that fail alone are failed alone (their retries, their backoff, their
 * dead letter). Own transactions, because locks are taken in order within one piece of work, not across several.
 *
 * A job that was begun before (`retryCount`) may be what its process died of: such jobs are written down first. Those
 * that a process died with are taken one by one; one that it died of alone is failed unless nobody else is in the
 * batch, so that the next death costs no other job an attempt. Its attempts count, so that it ends as a dead letter.
 *
 * Atomic: effects and completion of a job commit together, and only while the job is still this worker's.
 * @param jobs all of them, and none when it resolves: then there is nothing left for pg-boss to settle
 * @throws DatabaseUnavailable: then pg-boss fails what is left of the batch, which is retried
 */
export async function workBatch<Data>(jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  const fresh = jobs.filter(({ retryCount }) => retryCount === 0)
  const retried = jobs.filter(({ retryCount }) => retryCount > 0)
  countRetries(options.queue, retried.length)
  if (fresh.length > 0) await workTogether(fresh, options)
  if (retried.length > 0) await workRetried(retried, jobs.length > 1, options)
  jobs.length = 0
}

async function workRetried<Data>(
  jobs: Job<Data>[],
  hasOthers: boolean,
  options: BatchOptions<Data>,
): Promise<void> {
  const { trials } = options
  const unfinished = await trials.unfinished(idsOf(jobs))
  const unsuspected = jobs.filter(({ id }) => !unfinished.has(id))
  if (unsuspected.length > 0) {
    await trials.begin(idsOf(unsuspected), 'together')
    await workTogether(unsuspected, options)
  }
  for (const job of jobs.filter(({ id }) => unfinished.has(id))) {
    if (hasOthers && unfinished.get(job.id) === 'alone') {
      await failJob(job, new WorkerDied(), options)
    } else {
      await trials.begin([job.id], 'alone')
      await workAlone(job, options)
    }
  }
}

async function workTogether<Data>(jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  try {
    await settle(jobs, options)
  } catch (error) {
    if (isUnavailable(error)) throw error
    const { queue, log } = options
    if (jobs.length > 1)
      log.warn({ queue, jobs: jobs.length, error: String(error) }, 'batch failed; trying its jobs one by one')
    for (const job of jobs) await workAlone(job, options)
  }
}

async function workAlone<Data>(job: Job<Data>, options: BatchOptions<Data>): Promise<void> {
  try {
    await settle([job], options)
  } catch (error) {
    if (isUnavailable(error)) throw error
    if (error instanceof ClaimLost)
      options.log.warn({ job_id: job.id, retry_count: job.retryCount }, error.message)
    else await failJob(job, error, options)
  }
}

/** Effects, completion and the end of their trial, in one transaction. */
async function settle<Data>(jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  const { database, boss, queue, work, trials } = options
  await database.transaction(async tx => {
    await work(tx, jobs)
    // The job objects, not their ids: pg-boss then completes only the attempts that this worker was given.
    const completion = await boss.complete(queue, jobs, undefined, { db: tx })
    // The type leaves out what the call answers.
    const { affected } = completion as { affected: number }
    if (affected < jobs.length) throw new ClaimLost(jobs.length - affected, queue)
    if (jobs.some(({ retryCount }) => retryCount > 0)) await trials.end(tx, idsOf(jobs))
  })
}

async function failJob<Data>(job: Job<Data>, error: unknown, options: BatchOptions<Data>): Promise<void> {
  const { database, boss, queue, trials, log, fieldsOf } = options
  await database.transaction(async tx => {
    await boss.fail(queue, job, error as object, { db: tx })
    await trials.end(tx, [job.id])
  })
  countFailure(queue)
  log.error(
    { queue, job_id: job.id, ...fieldsOf(job.data), retry_count: job.retryCount, error: String(error) },
    `${queue}: job failed`,
  )
}

function idsOf(jobs: readonly Job<unknown>[]): string[] {
  return jobs.map(({ id }) => id)
}
