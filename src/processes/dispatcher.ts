import { debouncedNotify } from '../db/debounced-notify.ts'
import { startBoss } from '../jobs/boss.ts'
import { Heartbeat } from '../ops/liveness/heartbeat.ts'
import { Dispatcher } from '../outbox/dispatcher.ts'
import { QueueBacklog } from '../outbox/queue-backlog.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { DELIVERIES_CHANNEL } from '../webhooks/deliveries.ts'
import { webhookFanOut } from '../webhooks/fan-out.ts'
import { type BackgroundService, openDatabase } from './service.ts'
import { openStatus } from './status.ts'
import { stopInBudget } from './stop-in-budget.ts'
import { waitForDatabase } from './wait-for-database.ts'

export interface DispatcherService extends BackgroundService {
  wake(): void
}

/** Starts a dispatcher, which moves committed events to their queues. */
export async function startDispatcher(config: Config, url: string, log: Logger): Promise<DispatcherService> {
  const database = await openDatabase(config, url, 'dispatcher', config.DISPATCHER_POOL_COUNT, log)
  const status = await openStatus(config, 'dispatcher', database, log)
  const boss = await waitForDatabase(config, log, () => startBoss(database, 'producer', 'dispatcher', log))
  const wakeDeliveries = debouncedNotify(database, DELIVERIES_CHANNEL, 0, log)
  const backlog = new QueueBacklog(config.QUEUE_BACKLOG_COUNT, log)
  const publisher = { boss, fanOut: webhookFanOut, backlog, wakeDeliveries, log }
  const dispatcher = new Dispatcher(database, publisher)
  await dispatcher.start()
  const dispatchedLastMinute = () => dispatcher.dispatchedLastMinute()
  const heartbeat = await waitForDatabase(config, log, () =>
    Heartbeat.start(database, { role: 'dispatcher', dispatchedLastMinute }, log),
  )
  status.watch(heartbeat)
  return {
    checks: status.checks,
    wake: () => dispatcher.wake(),
    drain: () => status.drain(),
    stop: async budgetMs => {
      status.drain()
      await stopInBudget(budgetMs, {
        finish: async () => void (await Promise.all([heartbeat.stop(), dispatcher.stop()])),
        release: async () => void (await Promise.all([boss.stop({ graceful: false }), status.close()])),
        database,
      })
    },
  }
}
