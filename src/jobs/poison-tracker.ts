import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'

/** How a job was being worked: with others of its batch, or by itself. */
export type Trial = 'together' | 'alone'

/**
 * Which jobs a worker is at, of those that were begun before. Written before they are touched and outside of their
 * transaction: when the process dies, what it died of is known to be among them.
 */
export class PoisonTracker {
  readonly #database: Database
  readonly #queue: string

  constructor(database: Database, queue: string) {
    this.#database = database
    this.#queue = queue
  }

  /** Those among these jobs that a process was at when it died, or lost its database. */
  async unfinished(jobIds: readonly string[]): Promise<Map<string, Trial>> {
    const rows = await this.#database.query<{ job_id: string; alone: boolean }>(unfinishedSql, [
      this.#queue,
      jobIds,
    ])
    return new Map(rows.map(({ job_id, alone }) => [job_id, alone ? 'alone' : 'together']))
  }

  /** On disk when it resolves, whatever becomes of the transaction that the jobs run in. */
  async begin(jobIds: readonly string[], trial: Trial): Promise<void> {
    await this.#database.execute(beginSql, [this.#queue, jobIds, trial === 'alone'])
  }

  /** With the transaction of the jobs' outcome. */
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
