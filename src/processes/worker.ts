import type { JobWithMetadata, PgBoss } from 'pg-boss'
import { StatsProjector } from '../analytics/stats-projector.ts'
import type { Database } from '../db/database.ts'
import { debouncedNotify } from '../db/debounced-notify.ts'
import { measurePool } from '../db/pool-metrics.ts'
import type { Tx } from '../db/transaction.ts'
import { stockJobs } from '../inventory/stock-jobs.ts'
import { claimPool, startBoss } from '../jobs/boss.ts'
import { countDeadLetter } from '../jobs/job-metrics.ts'
import { QueueRunner, type QueueWork } from '../jobs/queue-runner.ts'
import { DEAD_LETTER_QUEUE, type MaintenanceJobName, polling, type QueueName } from '../jobs/queues.ts'
import { recordDeadLetters } from '../jobs/record-dead-letters.ts'
import { Heartbeat } from '../ops/liveness/heartbeat.ts'
import { maintainPartitions } from '../ops/maintenance/maintain-partitions.ts'
import { prune } from '../ops/maintenance/prune.ts'
import { reconcileStock } from '../ops/maintenance/reconcile-stock.ts'
import { watchDeadLetters } from '../ops/maintenance/watch-dead-letters.ts'
import { orderJobs } from '../orders/order-jobs.ts'
import { consumeEvents } from '../outbox/consume-events.ts'
import type { EventHandler } from '../outbox/event-handler.ts'
import { announceByNotify } from '../outbox/notify-channels.ts'
import type { Publisher } from '../outbox/publish.ts'
import { QueueBacklog } from '../outbox/queue-backlog.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { RollingCounter } from '../platform/rolling-counter.ts'
import { DELIVERIES, DELIVERIES_CHANNEL } from '../webhooks/deliveries.ts'
import { DeliveryWorker } from '../webhooks/delivery/delivery-worker.ts'
import { webhookFanOut } from '../webhooks/fan-out.ts'
import { type BackgroundService, openDatabase } from './service.ts'
import { openStatus } from './status.ts'
import { stopInBudget } from './stop-in-budget.ts'
import { waitForDatabase } from './wait-for-database.ts'

/** The handler of each queue. A queue without a handler does not compile. */
const handlers = { ...stockJobs, ...orderJobs } satisfies Record<QueueName, EventHandler<never>>

/** The scheduled jobs. The returned object becomes the output of the job. */
const maintenanceJobs: Record<MaintenanceJobName, (database: Database, log: Logger) => Promise<object>> = {
  'maintenance.partition': maintainPartitions,
  'maintenance.prune': prune,
  'maintenance.reconcile-stock': reconcileStock,
  'maintenance.watch-dead-letters': watchDeadLetters,
}

/** Part of WORKER_POOL_COUNT on which jobs are claimed. */
const CLAIM_POOL_COUNT = 3
const CLAIM_CLOSE_TIMEOUT_MS = 1_000
const DEAD_LETTER_BATCH_COUNT = 50
const MAINTENANCE_POLL_SECONDS = 30
/** Maximum wait for deliveries in flight when their queue is paused. */
const PAUSE_TIMEOUT_MS = 20_000

/**
 * Returns the queues that this worker works, each with the number of its jobs in progress. The
 * deliveries are included while the delivery worker is idle.
 */
function workedQueues(queues: QueueRunner, deliverer: DeliveryWorker): { queue: string; jobs: number }[] {
  const worked = queues.inHand()
  const isIdle = deliverer.isWorking() && deliverer.inFlight() === 0
  return isIdle ? [...worked, { queue: DELIVERIES, jobs: 0 }] : worked
}

/** Starts a worker, which works every queue that operators have not paused. */
export async function startWorker(config: Config, url: string, log: Logger): Promise<BackgroundService> {
  const database = await openDatabase(config, url, 'worker', config.WORKER_POOL_COUNT - CLAIM_POOL_COUNT, log)
  const status = await openStatus(config, 'worker', database, log)
  const claims = await openDatabase(config, url, 'worker', CLAIM_POOL_COUNT, log, claimPool)
  const stopMeasuring = measurePool('worker-claims', claims)
  const boss = await waitForDatabase(config, log, () =>
    startBoss(database, 'consumer', 'worker', log, claims),
  )
  const deliverer = new DeliveryWorker({
    database,
    publicUrl: config.PUBLIC_URL,
    allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    retrySeconds: config.WEBHOOK_RETRY_SECONDS,
    log,
  })
  const published = new RollingCounter()
  const isWorked = (queue: string) => queues.isWorking(queue)
  const backlog = new QueueBacklog(config.QUEUE_BACKLOG_COUNT)
  const works = queueWorks(database, boss, { published, backlog }, isWorked, log).set(DELIVERIES, {
    begin: () => deliverer.start(),
    end: async () => void deliverer.stop(PAUSE_TIMEOUT_MS),
    inHand: () => deliverer.inFlight(),
  })
  const queues: QueueRunner = new QueueRunner(boss, works, log)
  const heartbeat = await waitForDatabase(config, log, () =>
    Heartbeat.start(
      database,
      {
        role: 'worker',
        workingOn: () => workedQueues(queues, deliverer),
        dispatchedLastMinute: () => published.count(),
        onBeat: paused => queues.apply(paused),
      },
      log,
    ),
  )
  status.watch(heartbeat)
  const projector = new StatsProjector(database, log)
  projector.start()
  return {
    checks: status.checks,
    drain: () => status.drain(),
    stop: async budgetMs => {
      status.drain()
      await stopInBudget(budgetMs, {
        finish: async graceMs =>
          void (await Promise.all([
            projector.stop(),
            heartbeat.stop(),
            queues.stop(),
            deliverer.stop(graceMs / 2),
          ])),
        // Fails the jobs that are still in progress, so that other workers run them at once.
        release: async () => {
          await Promise.all([boss.stop({ graceful: false }), status.close()])
          stopMeasuring()
          await claims.close(CLAIM_CLOSE_TIMEOUT_MS)
        },
        database,
      })
    },
  }
}

function queueWorks(
  database: Database,
  boss: PgBoss,
  options: Pick<Publisher, 'published' | 'backlog'>,
  isWorked: (queue: string) => boolean,
  log: Logger,
): Map<string, QueueWork> {
  const maintenance = { pollingIntervalSeconds: MAINTENANCE_POLL_SECONDS } as const
  const announce = announceByNotify(database, log)
  const wakeDeliveries = debouncedNotify(database, DELIVERIES_CHANNEL, 0, log)
  const publisher = { boss, fanOut: webhookFanOut, ...options, announce, wakeDeliveries, log }
  return new Map([
    ...Object.keys(handlers).map(queue => {
      const begin = () => consumeEvents(database, publisher, queue as QueueName, { handlers, isWorked })
      return [queue, { begin }] as const
    }),
    [DEAD_LETTER_QUEUE, { begin: () => consumeDeadLetters(boss, log) }],
    ...Object.entries(maintenanceJobs).map(
      ([queue, run]) =>
        [
          queue,
          { begin: async () => void (await boss.work(queue, maintenance, () => run(database, log))) },
        ] as const,
    ),
  ])
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
