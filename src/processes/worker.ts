import type { JobWithMetadata, PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'
import { stockJobs } from '../inventory/stock-jobs.ts'
import { startBoss } from '../jobs/boss.ts'
import { DEAD_LETTER_QUEUE, PRUNE_QUEUE, polling, type QueueName } from '../jobs/catalogue.ts'
import { recordDeadLetters } from '../jobs/record-dead-letters.ts'
import { prune } from '../ops/prune.ts'
import { orderJobs } from '../orders/order-jobs.ts'
import { consumeEvents, type EventHandler } from '../outbox/consume-events.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { openDatabase, type Service } from './service.ts'

/** Who works which queue: every queue of the catalogue has a handler, or this does not compile. */
const handlers = { ...stockJobs, ...orderJobs } satisfies Record<QueueName, EventHandler<never>>

const DEAD_LETTER_BATCH_COUNT = 50
const PRUNE_POLL_SECONDS = 30

/** Works every queue. */
export async function startWorker(config: Config, url: string, log: Logger): Promise<Service> {
  const database = await openDatabase(config, url, 'worker', config.WORKER_POOL_COUNT, log)
  const boss = await startBoss(database, 'consumer', 'worker', log)
  for (const [queue, handle] of Object.entries(handlers)) {
    await consumeEvents(database, boss, queue as QueueName, handle as EventHandler<never>, log)
  }
  await consumeDeadLetters(boss, log)
  await boss.work(PRUNE_QUEUE, { pollingIntervalSeconds: PRUNE_POLL_SECONDS }, () =>
    prune(database, new Date(), log),
  )
  return {
    stop: async timeoutMs => {
      await boss.stop({ graceful: true, timeout: timeoutMs })
      await database.close()
    },
  }
}

async function consumeDeadLetters(boss: PgBoss, log: Logger): Promise<void> {
  const options = {
    ...polling,
    batchSize: DEAD_LETTER_BATCH_COUNT,
    includeMetadata: true,
    transactional: true,
  } as const
  await boss.work(DEAD_LETTER_QUEUE, options, async (jobs: JobWithMetadata[], db) => {
    const tx = db as Tx
    await recordDeadLetters(tx, jobs)
    tx.afterCommit(() => {
      for (const { id, sourceName, sourceId } of jobs) {
        log.error(
          { dead_letter_id: id, queue: sourceName, job_id: sourceId },
          'dead letter: a job used up its retries',
        )
      }
    })
  })
}
