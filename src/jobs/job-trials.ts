import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'

/**
 * Which job a worker is at, of those it takes one by one because an earlier attempt ended badly. Written before the
 * job is touched and outside of its transaction: when the process dies, the job that it died of is known.
 */
export class JobTrials {
  readonly #database: Database
  readonly #queue: string

  constructor(database: Database, queue: string) {
    this.#database = database
    this.#queue = queue
  }

  /** The jobs among these that a process was at when it died. */
  async unfinished(jobIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.#database.query<{ job_id: string }>(unfinishedSql, [this.#queue, jobIds])
    return new Set(rows.map(row => row.job_id))
  }

  /**
   * On disk when it resolves, whatever becomes of the transaction that the job runs in.
   * @param previousId the job before it, which the process has survived
   */
  async begin(jobId: string, previousId: string | undefined): Promise<void> {
    await this.#database.execute(beginSql, [this.#queue, jobId, previousId ?? null])
  }

  /** With the transaction of the jobs' outcome. */
  async end(tx: Tx, jobIds: readonly string[]): Promise<void> {
    await tx.execute(endSql, [this.#queue, jobIds])
  }
}

const unfinishedSql = `
  select job_id
  from job_trials
  where queue = $1
    and job_id = any($2::uuid[])
`

const beginSql = `
  with survived as (
    delete from job_trials
    where queue = $1
      and job_id = $3
  )
  insert into job_trials (queue, job_id)
  values ($1, $2)
  on conflict do nothing
`

const endSql = `
  delete from job_trials
  where queue = $1
    and job_id = any($2::uuid[])
`
