import type { JobWithMetadata, PgBoss } from 'pg-boss'
import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { stockJobs } from '../inventory/stock-jobs.ts'
import { startBoss } from '../jobs/boss.ts'
import { DEAD_LETTER_QUEUE, type HousekeepingName, polling, type QueueName } from '../jobs/catalogue.ts'
import { countDeadLetter } from '../jobs/job-metrics.ts'
import { type QueueStarters, QueueSwitch } from '../jobs/queue-switch.ts'
import { recordDeadLetters } from '../jobs/record-dead-letters.ts'
import { Heartbeat } from '../ops/heartbeat.ts'
import { prune } from '../ops/prune.ts'
import { reconcileStock } from '../ops/reconcile-stock.ts'
import { watchDeadLetters } from '../ops/watch-dead-letters.ts'
import { orderJobs } from '../orders/order-jobs.ts'
import { consumeEvents, type EventHandler } from '../outbox/consume-events.ts'
import { announceByNotify } from '../outbox/wake.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { openDatabase, type Service } from './service.ts'
import { openStatus } from './status.ts'

/** Who works which queue: every queue of the catalogue has a handler, or this does not compile. */
const handlers = { ...stockJobs, ...orderJobs } satisfies Record<QueueName, EventHandler<never>>

/** What is done by the clock; a job's output is what it returns. */
const chores: Record<HousekeepingName, (database: Database, log: Logger) => Promise<object>> = {
  'maintenance.prune': (database, log) => prune(database, new Date(), log),
  'maintenance.reconcile-stock': reconcileStock,
  'maintenance.watch-dead-letters': watchDeadLetters,
}

const DEAD_LETTER_BATCH_COUNT = 50
const HOUSEKEEPING_POLL_SECONDS = 30

/** Works every queue that operators have not paused. */
export async function startWorker(config: Config, url: string, log: Logger): Promise<Service> {
  const database = await openDatabase(config, url, 'worker', config.WORKER_POOL_COUNT, log)
  const status = await openStatus(config, 'worker', database, log)
  const boss = await startBoss(database, 'consumer', 'worker', log)
  const queues = new QueueSwitch(boss, starters(database, boss, log), log)
  const heartbeat = await Heartbeat.start(
    database,
    { role: 'worker', workingOn: () => queues.inHand(), onBeat: paused => queues.apply(paused) },
    log,
  )
  return {
    stop: async timeoutMs => {
      status.drain()
      await heartbeat.stop()
      await boss.stop({ graceful: true, timeout: timeoutMs })
      await status.close()
      await database.close()
    },
  }
}

function starters(database: Database, boss: PgBoss, log: Logger): QueueStarters {
  const housekeeping = { pollingIntervalSeconds: HOUSEKEEPING_POLL_SECONDS } as const
  const announce = announceByNotify(database, log)
  return new Map([
    ...Object.entries(handlers).map(([queue, handle]) => {
      const announced = announcing(handle, announce)
      return [queue, () => consumeEvents(database, boss, queue as QueueName, announced, log)] as const
    }),
    [DEAD_LETTER_QUEUE, () => consumeDeadLetters(boss, log)],
    ...Object.entries(chores).map(
      ([queue, chore]) =>
        [queue, async () => void (await boss.work(queue, housekeeping, () => chore(database, log)))] as const,
    ),
  ])
}

/** What a batch leads to is told to those who follow events, once it is committed. */
function announcing(handle: EventHandler<never>, announce: () => void): EventHandler<never> {
  return async (tx, events) => {
    const handled = await handle(tx, events)
    if (handled.events.length > 0) tx.afterCommit(announce)
    return handled
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
        countDeadLetter(sourceName)
        log.error(
          { dead_letter_id: id, queue: sourceName, job_id: sourceId },
          'dead letter: a job used up its retries',
        )
      }
    })
  })
}
