import { type EmbeddedPostgres, startEmbedded } from '../db/embedded/postgres.ts'
import { addDemoMenu } from '../inventory/add-demo-menu.ts'
import { placeOrders } from '../orders/place-order.ts'
import type { Config } from '../platform/config.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { newId } from '../platform/ids.ts'
import type { Logger } from '../platform/log.ts'
import { addDemoWebhook } from '../webhooks/add-demo-webhook.ts'
import { type ApiService, startApi } from './api.ts'
import { startDispatcher } from './dispatcher.ts'
import { migrate } from './migrate.ts'
import { openDatabase, type Service } from './service.ts'
import { endsWithin } from './stop-in-budget.ts'
import { waitForDatabase } from './wait-for-database.ts'
import { startWorker } from './worker.ts'

export interface AllService extends Service {
  api: ApiService
  embedded: EmbeddedPostgres | undefined
}

/** Share of the budget of a stop for the services; the rest is for the embedded database. */
const SERVICES_SHARE = 0.7

/**
 * Runs everything in one process: migrates the database, embedded unless `DATABASE_URL` is set, and
 * starts each role.
 */
export async function startAll(config: Config, log: Logger): Promise<AllService> {
  const embedded = config.DATABASE_URL ? undefined : await startEmbedded(config.DATA_DIR)
  const url = config.DATABASE_URL ?? embedded?.url ?? ''
  const started: Service[] = []
  function drain(): void {
    for (const service of started) service.drain()
  }
  async function stop(budgetMs: number): Promise<void> {
    const deadline = performance.now() + budgetMs
    const servicesMs = embedded ? budgetMs * SERVICES_SHARE : budgetMs
    const stopping = Promise.all(started.map(service => service.stop(servicesMs)))
    if (!embedded) return void (await stopping)
    await endsWithin(servicesMs, stopping)
    if (!(await embedded.stop(deadline - performance.now())))
      log.info('the embedded database keeps running: another Comanda process uses it')
  }
  try {
    await waitForDatabase(config, log, () => migrate(url, log, config))
    // The port of the API serves the status of all roles.
    const withoutStatus = { ...config, STATUS_PORT: undefined }
    if (embedded) await addDemo(url, config, log)
    started.push(await startWorker(withoutStatus, url, log.child({ role: 'worker' })))
    const dispatcher = await startDispatcher(withoutStatus, url, log.child({ role: 'dispatcher' }))
    started.push(dispatcher)
    const api = await startApi(config, url, log.child({ role: 'api' }), {
      wake: () => dispatcher.wake(),
      isDemo: embedded !== undefined,
    })
    started.push(api)
    return { api, embedded, drain, stop, ...(embedded ? { failed: embedded.failed } : {}) }
  } catch (error) {
    await stop(config.SHUTDOWN_TIMEOUT_MS)
    throw error
  }
}

async function addDemo(url: string, config: Config, log: Logger): Promise<void> {
  const database = await openDatabase(config, url, 'api', 2, log)
  try {
    if (!(await database.transaction(addDemoMenu))) return
    const { order: order_id, restaurant: restaurant_id, margherita: menu_item_id } = demoIds
    const trace = { request_id: newId() }
    await placeOrders(database, [{ order_id, restaurant_id, items: [{ menu_item_id, quantity: 1 }], trace }])
    await database.transaction(addDemoWebhook)
    log.info({ restaurant_id }, 'the database was empty: added a demo menu')
  } finally {
    await database.close()
  }
}
