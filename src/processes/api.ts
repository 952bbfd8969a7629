import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import packageJson from '../../package.json' with { type: 'json' }
import type { Database } from '../db/database.ts'
import { pendingMigrations } from '../db/migrations.ts'
import { createApp } from '../http/app.ts'
import type { Authenticator } from '../http/authenticate.ts'
import { Cursors } from '../http/cursor.ts'
import { documentationPages } from '../http/docs.ts'
import { healthPages } from '../http/health.ts'
import { createMetrics } from '../http/metrics.ts'
import { openApiDocument } from '../http/openapi.ts'
import { problemPages } from '../http/problem-pages.ts'
import { limitRate } from '../http/rate-limit.ts'
import type { Route } from '../http/route.ts'
import { createHttpServer } from '../http/server.ts'
import { stockRoutes } from '../inventory/stock-routes.ts'
import { Heartbeat } from '../ops/heartbeat.ts'
import { type OrderRoutesOptions, orderRoutes } from '../orders/order-routes.ts'
import { PlacementQueue } from '../orders/placement-queue.ts'
import { type WakeDispatcher, wakeByNotify } from '../outbox/wake.ts'
import { type Config, ConfigurationError, rateLimitOf } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { chooseAuthenticator } from './choose-authenticator.ts'
import { openDatabase, type Service } from './service.ts'

export interface ApiService extends Service {
  /** where it listens, e.g. `http://127.0.0.1:8000` */
  url: string
}

const READY_CHECK_TIMEOUT_MS = 2_000

/** Every operation of the API. */
export function apiRoutes(options: OrderRoutesOptions): Route[] {
  return [...orderRoutes(options), ...stockRoutes(options)]
}

/**
 * Serves the API.
 * @param wake how dispatchers are woken; left out, those of other processes, by NOTIFY
 * @throws ConfigurationError naming PORT when the port is taken, HOST when strangers could call
 */
export async function startApi(
  config: Config,
  url: string,
  log: Logger,
  wake?: WakeDispatcher,
): Promise<ApiService> {
  const database = await openDatabase(config, url, 'api', config.API_POOL_COUNT, log)
  const state = { draining: false }
  let authenticator: Authenticator | undefined
  try {
    authenticator = await chooseAuthenticator(config, database)
  } catch (error) {
    await database.close()
    throw error
  }
  const routes = apiRoutes({
    database,
    cursors: await Cursors.open(database),
    placement: new PlacementQueue(database, config.PLACEMENT_BATCH_COUNT),
    wakeDispatcher: wake ?? wakeByNotify(database, log),
  })
  const perMinute = rateLimitOf(config)
  const metrics = createMetrics()
  const app = createApp({
    routes,
    authenticator,
    rateLimit: perMinute === undefined ? undefined : limitRate(database, perMinute),
    pages: {
      open: [healthPages(readinessChecks(database, state)), problemPages()],
      callers: [documentationPages(openApiDocument(routes, packageJson.version, config))],
      operators: [metrics.page],
    },
    metrics,
    requireIdempotencyKey: config.REQUIRE_IDEMPOTENCY_KEY,
    log,
  })
  const serve = app.callback()
  const server = createHttpServer((request, response) => {
    if (state.draining) response.setHeader('Connection', 'close')
    void serve(request, response)
  })
  const heartbeat = await Heartbeat.start(database, { role: 'api' }, log)
  try {
    await listen(server, config)
  } catch (error) {
    await heartbeat.stop()
    await database.close()
    throw error
  }
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST}:${port}`,
    stop: async timeoutMs => {
      state.draining = true
      await Promise.all([closeServer(server, timeoutMs), heartbeat.stop()])
      await database.close()
    },
  }
}

function readinessChecks(database: Database, state: { draining: boolean }) {
  async function reason(check: () => Promise<string>): Promise<string> {
    const late = delay(READY_CHECK_TIMEOUT_MS, 'does not answer', { ref: false })
    return await Promise.race([check().catch(() => 'cannot be reached'), late])
  }
  return {
    drain: async () => (state.draining ? 'this process is stopping' : 'ok'),
    database: () =>
      reason(async () => ((await database.query('select 1')).length === 1 ? 'ok' : 'does not answer')),
    migrations: () =>
      reason(async () => {
        const missing = await pendingMigrations(database)
        return missing.length ? `lacks ${missing.join(', ')}` : 'ok'
      }),
  }
}

async function listen(server: Server, config: Config): Promise<void> {
  try {
    await new Promise<void>((done, fail) => server.once('error', fail).listen(config.PORT, config.HOST, done))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new ConfigurationError(
        `PORT: ${config.PORT} on ${config.HOST} is taken by another program; choose another, e.g. PORT=${config.PORT + 1}`,
      )
    }
    if (code === 'EACCES')
      throw new ConfigurationError(`PORT: ${config.PORT} needs more rights; choose one above 1023`)
    if (code === 'EADDRNOTAVAIL')
      throw new ConfigurationError(`HOST: ${config.HOST} is not an address of this machine`)
    throw error
  }
}

/** Lets requests in hand finish, then closes what is left. */
async function closeServer(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>(done => server.close(() => done()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs)
  await closed
  clearTimeout(timer)
}
