import { startBoss } from '../jobs/boss.ts'
import type { Operations } from '../ops/actions/operations.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { openDatabase } from './service.ts'
import { waitForDatabase } from './wait-for-database.ts'

/** Connections for the changes of operators: for their requests, and for their actions. */
const POOL_COUNT = 3

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
    return {
      database,
      boss,
      stop: async () => {
        await boss.stop({ graceful: false })
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
