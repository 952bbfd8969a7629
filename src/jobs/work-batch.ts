import type { Job, PgBoss } from 'pg-boss'
import type { Database } from '../db/database.ts'
import { isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'
import { countFailure, countRetries } from './job-metrics.ts'
import type { PoisonTracker } from './poison-tracker.ts'
import { rerunAfterOutage } from './rerun-after-outage.ts'

/**
 * Processes a batch of jobs in `tx`. If it throws, the batch is rolled back and retried.
 * @param complete completes the jobs; called last, and again if a savepoint undid it
 */
type BatchWork<Data> = (tx: Tx, jobs: Job<Data>[], complete: () => Promise<void>) => Promise<void>

export interface BatchOptions<Data> {
  database: Database
  boss: PgBoss
  queue: string
  work: BatchWork<Data>
  trials: PoisonTracker
  /** how long the jobs belong to this worker without a heartbeat */
  claimMs: number
  log: Logger
  /** returns the log fields of a job */
  fieldsOf: (data: Data) => Record<string, unknown>
}

/** The process that ran this job alone crashed. */
class WorkerDied extends Error {
  override name = 'WorkerDied'

  constructor() {
    super('the worker process crashed while it ran this job alone')
  }
}

/**
 * Jobs were given to another worker after missed heartbeats, so this transaction must not commit.
 */
export class ClaimLost extends Error {
  override name = 'ClaimLost'

  constructor(lost: number, queue: string) {
    super(`${lost} of the jobs of ${queue} now belong to another worker`)
  }
}

/**
 * Processes a batch so that a poisoned job costs its neighbours nothing. All jobs run in one
 * transaction. If that fails, each job runs in a transaction of its own, because locks are sorted
 * within a transaction only, and only the jobs that fail alone are failed.
 *
 * A job that was started before (`retryCount`) may have crashed its process, so retried jobs are
 * recorded before they run. Jobs that were running in a crash then run one by one. A job that
 * crashed its worker alone is failed at once when other jobs share the batch, so that they lose no
 * attempt; it ends as a dead letter.
 *
 * Atomic: a job's effects and its completion commit together, and only while this worker owns the
 * job.
 * @param jobs emptied on return, so that pg-boss has nothing left to complete
 * @throws DatabaseUnavailable after which pg-boss fails the rest of the batch, to be retried; an
 *   outage as short as a failover is waited for instead
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
  const unrecorded = jobs.filter(({ id }) => !unfinished.has(id))
  if (unrecorded.length > 0) {
    await trials.begin(idsOf(unrecorded), 'together')
    await workTogether(unrecorded, options)
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
    await complete(jobs, options)
  } catch (error) {
    if (isUnavailable(error)) throw error
    const { queue, log } = options
    if (jobs.length > 1)
      log.warn(
        { queue, jobs: jobs.length, error: String(error) },
        'batch failed; running its jobs one by one',
      )
    for (const job of jobs) await workAlone(job, options)
  }
}

async function workAlone<Data>(job: Job<Data>, options: BatchOptions<Data>): Promise<void> {
  try {
    await complete([job], options)
  } catch (error) {
    if (isUnavailable(error)) throw error
    if (error instanceof ClaimLost)
      options.log.warn({ job_id: job.id, retry_count: job.retryCount }, error.message)
    else await failJob(job, error, options)
  }
}

/** Commits effects, completion and the end of the trials in one transaction. */
async function complete<Data>(jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  const isOver = () => jobs.some(({ signal }) => signal.aborted)
  await rerunAfterOutage({ ...options, isOver }, () => completeOnce(jobs, options))
}

async function completeOnce<Data>(jobs: Job<Data>[], options: BatchOptions<Data>): Promise<void> {
  const { database, boss, queue, work, trials } = options
  await database.transaction(async tx => {
    await work(tx, jobs, async () => {
      // Given the job objects instead of ids, pg-boss completes only the attempts of this worker.
      const completion = await boss.complete(queue, jobs, undefined, { db: tx })
      // The type of pg-boss lacks the result.
      const { affected } = completion as { affected: number }
      if (affected < jobs.length) throw new ClaimLost(jobs.length - affected, queue)
    })
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
