import { randomInt } from 'node:crypto'
import type { Database } from '../db/database.ts'
import { startBoss } from '../jobs/boss.ts'
import type { Operations } from '../ops/actions/operations.ts'
import { workAction } from '../ops/actions/work-action.ts'
import { type Config, ConfigurationError } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { openDatabase } from './service.ts'
import { waitForDatabase } from './wait-for-database.ts'

/** Bound of the keys of advisory locks: the largest for `randomInt`. */
const MAX_KEY = 2 ** 48 - 1
/** Connections for the changes of operators: for their requests, and for their actions. */
const POOL_COUNT = 3
/** How late an action is continued after the process that worked on it has died. */
const POLL_MS = 1_000

export interface RunningOperations extends Operations {
  stop(): Promise<void>
}

/**
 * Opens the pool for the changes of operators.
 * @param main the database of `DATABASE_URL`
 * @returns undefined without `OPERATIONS_DATABASE_URL`: this API makes no such changes
 * @throws ConfigurationError when it leads to another database
 */
export async function startOperations(
  config: Config,
  main: Database,
  log: Logger,
): Promise<RunningOperations | undefined> {
  const url = config.OPERATIONS_DATABASE_URL
  if (url === undefined) return undefined
  const database = await openDatabase(config, url, 'operations', POOL_COUNT, log)
  try {
    await waitForDatabase(config, log, () => requireSame(main, database))
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

/**
 * Requires that two pools lead to the same database: an advisory lock of the one keeps the other
 * from taking it. Names and identifiers do not tell a database from its copy.
 */
async function requireSame(main: Database, operations: Database): Promise<void> {
  const key = [randomInt(MAX_KEY)]
  await main.transaction(async tx => {
    await tx.execute('select pg_advisory_xact_lock($1)', key)
    const [row] = await operations.query<{ taken: boolean }>(
      'select pg_try_advisory_xact_lock($1) as taken',
      key,
    )
    if (row?.taken)
      throw new ConfigurationError('OPERATIONS_DATABASE_URL leads to another database than DATABASE_URL')
  })
}
