import { startBoss } from '../jobs/boss.ts'
import type { Operations } from '../ops/actions/operations.ts'
import { workAction } from '../ops/actions/work-action.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { openDatabase } from './service.ts'
import { waitForDatabase } from './wait-for-database.ts'

/** Connections for the changes of operators: for their requests, and for their actions. */
const POOL_COUNT = 3
/** How late an action is continued after the process that worked on it has died. */
const POLL_MS = 1_000

export interface RunningOperations extends Operations {
  stop(): Promise<void>
}

/**
 * Opens the pool for the changes of operators.
 * @returns undefined without `OPERATIONS_DATABASE_URL`: this API makes no such changes
 */
export async function startOperations(config: Config, log: Logger): Promise<RunningOperations | undefined> {
  const url = config.OPERATIONS_DATABASE_URL
  if (url === undefined) return undefined
  const database = await openDatabase(config, url, 'operations', POOL_COUNT, log)
  try {
    const boss = await waitForDatabase(config, log, () => startBoss(database, 'operator', 'operations', log))
    // Also continues the actions of processes that have died.
    const loop = new PollLoop({
      run: () => workAction({ database, boss }),
      intervalMs: POLL_MS,
      onError: error => log.warn({ error: String(error) }, 'an action of operators waits'),
    })
    loop.start()
    return {
      database,
      boss,
      wake: () => loop.wake(),
      stop: async () => {
        await loop.stop()
        await boss.stop({ graceful: false })
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
