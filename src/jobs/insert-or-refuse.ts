import type { JobInsert, PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'

/**
 * Postgres refused jobs: the queue has one of the same id, or an unfinished one of the same key.
 */
export class JobsRefused extends Error {
  override name = 'JobsRefused'

  constructor(queue: string, jobIds: ReadonlySet<string>) {
    const [first] = jobIds
    const more = jobIds.size > 1 ? ` and ${jobIds.size - 1} more` : ''
    super(
      `${queue} refused job ${first}${more}: the queue has a job of that id, or an unfinished job of that event`,
    )
  }
}

/**
 * Inserts jobs in `tx`. pg-boss skips refused jobs silently, so the inserted ids are compared with
 * the given ones.
 * @returns the ids of the jobs that were refused, see {@link JobsRefused}
 */
export async function insertOrRefuse(
  tx: Tx,
  boss: PgBoss,
  queue: string,
  jobs: (JobInsert & { id: string; singletonKey: string })[],
): Promise<Set<string>> {
  const inserted = await boss.insert(queue, jobs, { db: tx, returnId: true })
  const refused = new Set(jobs.map(({ id }) => id))
  for (const id of inserted ?? []) refused.delete(id)
  return refused
}
