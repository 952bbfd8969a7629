import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'

/** Whether a job runs with the others of its batch, or alone. */
export type Trial = 'together' | 'alone'

/**
 * Records which retried jobs are running. A record is committed before the jobs run and outside
 * their transaction, so that it survives a crash of the process and names the suspects.
 */
export class PoisonTracker {
  readonly #database: Database
  readonly #queue: string

  constructor(database: Database, queue: string) {
    this.#database = database
    this.#queue = queue
  }

  /** Returns the jobs that were running when a process crashed or lost its database. */
  async unfinished(jobIds: readonly string[]): Promise<Map<string, Trial>> {
    const rows = await this.#database.query<{ job_id: string; alone: boolean }>(unfinishedSql, [
      this.#queue,
      jobIds,
    ])
    return new Map(rows.map(({ job_id, alone }) => [job_id, alone ? 'alone' : 'together']))
  }

  /** Commits the record by itself, independently of the transaction of the jobs. */
  async begin(jobIds: readonly string[], trial: Trial): Promise<void> {
    await this.#database.execute(beginSql, [this.#queue, jobIds, trial === 'alone'])
  }

  /** Deletes the record in the transaction of the jobs' outcome. */
  async end(tx: Tx, jobIds: readonly string[]): Promise<void> {
    await tx.execute(endSql, [this.#queue, jobIds])
  }
}

const unfinishedSql = `
  select job_id, alone
  from job_trials
  where queue = $1
    and job_id = any($2::uuid[])
`

const beginSql = `
  insert into job_trials (queue, job_id, alone)
  select $1, job_id, $3
  from unnest($2::uuid[]) as job (job_id)
  order by job_id
  on conflict (queue, job_id) do update
  set alone = excluded.alone, begun_at = clock_timestamp()
`

const endSql = `
  delete from job_trials
  where queue = $1
    and job_id = any($2::uuid[])
`
