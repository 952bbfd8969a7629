import type { Sql, Tx } from '../../db/transaction.ts'
import { SILENT_AFTER_SECONDS } from '../liveness/heartbeat.ts'
import { audit, type Operator } from './audit.ts'

/**
 * Pauses a queue: within a heartbeat every worker finishes the batch it has in hand and takes no more, and so it stays,
 * through restarts too, until the queue is resumed. Jobs go on arriving, and nothing of them is lost.
 * @returns whether it was not paused before
 */
export async function pauseQueue(tx: Tx, queue: string, operator: Operator): Promise<boolean> {
  const { actor, reason } = operator
  const changed = (await tx.execute(pauseSql, [queue, actor, reason])) > 0
  if (changed) await audit(tx, operator, 'pause', { queue })
  return changed
}

/** @returns whether it was paused before */
export async function resumeQueue(tx: Tx, queue: string, operator: Operator): Promise<boolean> {
  const changed = (await tx.execute(resumeSql, [queue])) > 0
  if (changed) await audit(tx, operator, 'resume', { queue })
  return changed
}

/** Whether every live worker has said at a heartbeat that it works the queue, or that it does not. */
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
