import type { Job, PgBoss } from 'pg-boss'
import { isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import type { Logger } from '../platform/log.ts'

/** Works a batch of jobs in `tx`. A throw means: none of it happened, try again. */
export type BatchWork<Data> = (tx: Tx, jobs: Job<Data>[]) => Promise<void>

/**
 * Works a batch so that one poisonous job costs its neighbours nothing: all at once first; when that fails, each job
 * alone, and those that fail alone are failed alone (their retries, their backoff, their dead letter).
 * Atomic: effects, completions and failures commit together, in the transaction that pg-boss opened for the batch.
 * @throws when the database is away: then pg-boss fails the batch, and all of it is retried
 */
export async function workBatch<Data>(
  boss: PgBoss,
  queue: string,
  tx: Tx,
  jobs: Job<Data>[],
  work: BatchWork<Data>,
  log: Logger,
): Promise<void> {
  try {
    return await tx.savepoint(() => work(tx, jobs))
  } catch (error) {
    if (isUnavailable(error)) throw error
    if (jobs.length > 1)
      log.warn({ queue, jobs: jobs.length, error: String(error) }, 'batch failed; trying its jobs one by one')
    else return await failJob(boss, queue, tx, jobs, error, log)
  }
  for (const job of jobs) {
    try {
      await tx.savepoint(() => work(tx, [job]))
    } catch (error) {
      if (isUnavailable(error)) throw error
      await failJob(boss, queue, tx, [job], error, log)
    }
  }
}

async function failJob<Data>(
  boss: PgBoss,
  queue: string,
  tx: Tx,
  jobs: Job<Data>[],
  error: unknown,
  log: Logger,
): Promise<void> {
  for (const job of jobs) {
    await boss.fail(queue, job, error as object, { db: tx })
    log.error(
      { queue, job_id: job.id, retry_count: job.retryCount, error: String(error) },
      `${queue}: job failed`,
    )
  }
}
