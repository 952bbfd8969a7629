import { type CheckResult, runReadinessChecks } from '../http/server/health.ts'
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import type { ForeignMetrics } from '../platform/meters.ts'
import { startDispatcher } from './dispatcher.ts'
import type { BackgroundService, Service } from './service.ts'
import { startWorker } from './worker.ts'

/** Dispatcher and worker of `npm start`: in the process of the API, or in one of their own. */
export interface Pipeline extends Service {
  /** Makes the dispatcher read the outbox now. */
  wake(): void
  /** Runs the readiness checks of both roles. */
  readiness(): Promise<CheckResult[]>
  /** Returns the metrics of both roles that are not among those of this process. */
  metrics(): Promise<ForeignMetrics>
}

/** Starts a dispatcher and a worker in this process. The API serves their status. */
export async function startPipeline(config: Config, url: string, log: Logger): Promise<Pipeline> {
  const withoutStatus = { ...config, STATUS_PORT: undefined }
  const worker = await startWorker(withoutStatus, url, log.child({ role: 'worker' }))
  const dispatcher = await startDispatcher(withoutStatus, url, log.child({ role: 'dispatcher' })).catch(
    async (error: unknown) => {
      await worker.stop(config.SHUTDOWN_TIMEOUT_MS)
      throw error
    },
  )
  const roles = { dispatcher, worker }
  const services = Object.values<BackgroundService>(roles)
  const checks = Object.fromEntries(
    Object.entries(roles).flatMap(([role, service]) =>
      Object.entries(service.checks).map(([name, check]) => [`${role}_${name}`, check]),
    ),
  )
  return {
    wake: () => dispatcher.wake(),
    readiness: () => runReadinessChecks(checks),
    metrics: async () => [],
    drain: () => {
      for (const service of services) service.drain()
    },
    stop: async budgetMs => void (await Promise.all(services.map(service => service.stop(budgetMs)))),
  }
}
