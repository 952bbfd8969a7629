import type { Sql, Tx } from '../../db/transaction.ts'
import { SILENT_AFTER_SECONDS } from '../liveness/heartbeat.ts'
import { audit, type Operator } from './audit.ts'

/**
 * Pauses a queue: within one heartbeat, every worker finishes its current batch and fetches no more
 * jobs of the queue. The pause survives restarts. New jobs are still queued, and none is lost.
 * @returns false when the queue was paused already
 */
export async function pauseQueue(tx: Tx, queue: string, operator: Operator): Promise<boolean> {
  const { actor, reason } = operator
  const changed = (await tx.execute(pauseSql, [queue, actor, reason])) > 0
  if (changed) await audit(tx, operator, 'pause', { queue })
  return changed
}

/** Resumes a queue. @returns false when the queue was not paused */
export async function resumeQueue(tx: Tx, queue: string, operator: Operator): Promise<boolean> {
  const changed = (await tx.execute(resumeSql, [queue])) > 0
  if (changed) await audit(tx, operator, 'resume', { queue })
  return changed
}

/** Returns whether every live worker has reported that it follows the pause or resume. */
export async function workersFollow(sql: Sql, queue: string, paused: boolean): Promise<boolean> {
  const workers = await sql.query<{ works: boolean }>(worksSql, [queue])
  return workers.every(({ works }) => works !== paused)
}

const pauseSql = `
  insert into paused_queues (queue, actor, reason)
  values ($1, $2, $3)
  on conflict do nothing
`

const resumeSql = `
  delete from paused_queues
  where queue = $1
`

const worksSql = `
  select working_on @> jsonb_build_array(jsonb_build_object('queue', $1::text)) as works
  from process_heartbeats
  where role = 'worker'
    and stopped_at is null
    and beat_at > now() - interval '${SILENT_AFTER_SECONDS} seconds'
`
