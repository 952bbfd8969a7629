import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { isUnavailable } from '../db/sql-errors.ts'
import type { Logger } from '../platform/log.ts'

const PROBE_MS = 250

export interface RerunOptions {
  database: Database
  queue: string
  log: Logger
  /** how long the jobs belong to this worker without a heartbeat */
  claimMs: number
  /** whether the worker stops, or no longer owns the jobs */
  isOver: () => boolean
}

/**
 * Runs `work`, and once more when the database was lost meanwhile, as in a failover. A worker
 * cannot report such a failure, so its jobs would wait for the end of their heartbeat; in the
 * second run they lose no attempt. When the database answers at once, the failure is thrown: the
 * jobs may be its cause.
 * @throws DatabaseUnavailable also when the outage lasts longer than the claim
 */
export async function rerunAfterOutage(options: RerunOptions, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isUnavailable(error) || (await acceptsWrites(options.database))) throw error
    options.log.warn(
      { queue: options.queue, error: String(error) },
      'the database was lost during a batch, which runs again when it returns',
    )
    if (!(await returnsInTime(options))) throw error
    await work()
  }
}

/** @returns whether the database accepts writes again before the claim ends */
async function returnsInTime({ database, claimMs, isOver }: RerunOptions): Promise<boolean> {
  const deadline = performance.now() + claimMs
  while (performance.now() < deadline && !isOver()) {
    await delay(PROBE_MS)
    if (await acceptsWrites(database)) return true
  }
  return false
}

async function acceptsWrites(database: Database): Promise<boolean> {
  try {
    const [row] = await database.query<{ is_standby: boolean }>('select pg_is_in_recovery() as is_standby')
    return row?.is_standby === false
  } catch (error) {
    if (isUnavailable(error)) return false
    throw error
  }
}
