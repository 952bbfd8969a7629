import { availableParallelism } from 'node:os'
import { type EmbeddedPostgres, startEmbedded } from '../db/embedded/postgres.ts'
import { addDemoMenu } from '../inventory/add-demo-menu.ts'
import { addDemoAction } from '../ops/actions/add-demo-action.ts'
import { placeOrders } from '../orders/place-order.ts'
import type { Config } from '../platform/config.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { newId } from '../platform/ids.ts'
import type { Logger } from '../platform/log.ts'
import { addDemoWebhook } from '../webhooks/add-demo-webhook.ts'
import { type ApiService, startApi } from './api.ts'
import { migrate } from './migrate.ts'
import type { Pipeline } from './pipeline.ts'
import { PipelineProcess } from './pipeline-process.ts'
import { openDatabase, type Service } from './service.ts'
import { endsWithin } from './stop-in-budget.ts'
import { waitForDatabase } from './wait-for-database.ts'

export interface AllService extends Service {
  api: ApiService
  embedded: EmbeddedPostgres | undefined
}

/** Share of the budget of a stop for the services; the rest is for the embedded database. */
const SERVICES_SHARE = 0.7

/**
 * Runs every role: migrates the database, embedded unless `DATABASE_URL` is set, and starts the API
 * in this process. Dispatcher and worker run in a child process if there is more than one core,
 * else in this process, too.
 */
export async function startAll(config: Config, log: Logger): Promise<AllService> {
  // First, because it loads its modules while this process starts the database.
  const child = availableParallelism() > 1 ? new PipelineProcess() : undefined
  const started: Service[] = child ? [child] : []
  let embedded: EmbeddedPostgres | undefined
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
    embedded = config.DATABASE_URL ? undefined : await startEmbedded(config.DATA_DIR)
    const url = config.DATABASE_URL ?? embedded?.url ?? ''
    await waitForDatabase(config, log, () => migrate(url, log, config))
    if (embedded) await addDemo(url, config, log)
    const pipeline = await (child?.start(config, url) ?? startHere(config, url, log, started))
    const options = { pipeline, isDemo: embedded !== undefined }
    const operated = { ...config, OPERATIONS_DATABASE_URL: config.OPERATIONS_DATABASE_URL ?? url }
    const api = await startApi(operated, url, log.child({ role: 'api' }), options)
    started.push(api)
    const failures = [embedded?.failed, child?.failed].filter(failed => failed !== undefined)
    return { api, embedded, drain, stop, ...(failures.length > 0 ? { failed: Promise.race(failures) } : {}) }
  } catch (error) {
    await stop(config.SHUTDOWN_TIMEOUT_MS)
    throw error
  }
}

/** Loads dispatcher and worker only if they run in this process, which saves memory. */
async function startHere(config: Config, url: string, log: Logger, started: Service[]): Promise<Pipeline> {
  const { startPipeline } = await import('./pipeline.ts')
  const pipeline = await startPipeline(config, url, log)
  started.push(pipeline)
  return pipeline
}

async function addDemo(url: string, config: Config, log: Logger): Promise<void> {
  const database = await openDatabase(config, url, 'api', 2, log)
  try {
    if (!(await database.transaction(addDemoMenu))) return
    const { order: order_id, restaurant: restaurant_id, margherita: menu_item_id } = demoIds
    const trace = { request_id: newId() }
    await placeOrders(database, [{ order_id, restaurant_id, items: [{ menu_item_id, quantity: 1 }], trace }])
    await database.transaction(addDemoWebhook)
    await database.transaction(addDemoAction)
    log.info({ restaurant_id }, 'the database was empty: added a demo menu')
  } finally {
    await database.close()
  }
}
