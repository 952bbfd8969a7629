import packageJson from '../../package.json' with { type: 'json' }
import { statsRoutes } from '../analytics/stats-routes.ts'
import { measurePool } from '../db/pool-metrics.ts'
import { eventSchemas } from '../events/event-schemas.ts'
import type { Authenticator } from '../http/auth/authenticate.ts'
import { limitRate } from '../http/auth/rate-limit.ts'
import { sessionPages, signOutPages } from '../http/auth/session-pages.ts'
import { Sessions } from '../http/auth/sessions.ts'
import { Cursors } from '../http/cursor.ts'
import { documentationPages } from '../http/openapi/docs.ts'
import { openApiDocument } from '../http/openapi/openapi.ts'
import { problemPages } from '../http/openapi/problem-pages.ts'
import { schemaPages } from '../http/openapi/schema-pages.ts'
import type { Route } from '../http/route.ts'
import { createApp } from '../http/server/app.ts'
import { Connections } from '../http/server/connections.ts'
import { type CheckResult, healthPages, runReadinessChecks } from '../http/server/health.ts'
import { limitConnections } from '../http/server/limit-connections.ts'
import { listen } from '../http/server/listen.ts'
import { createMetrics } from '../http/server/metrics.ts'
import { createHttpServer } from '../http/server/server.ts'
import { shedLoad } from '../http/server/shed-load.ts'
import { EventStreams } from '../http/sse/event-streams.ts'
import { restaurantRoutes } from '../inventory/restaurant-routes.ts'
import { type StockRoutesOptions, stockRoutes } from '../inventory/stock-routes.ts'
import type { OpsRoutesOptions } from '../ops/api/ops-route.ts'
import { opsRoutes } from '../ops/api/ops-routes.ts'
import { Heartbeat } from '../ops/liveness/heartbeat.ts'
import { measureOps } from '../ops/ops-metrics.ts'
import { type OrderRoutesOptions, orderRoutes } from '../orders/order-routes.ts'
import { PlacementQueue } from '../orders/placement-queue.ts'
import { TrackingLinks } from '../orders/tracking-links.ts'
import { OUTBOX_CHANNEL, wakeByNotify } from '../outbox/notify-channels.ts'
import { servePage } from '../pages/serve-page.ts'
import {
  allowedHostsOf,
  basePathOf,
  type Config,
  connectionLimitOf,
  rateLimitOf,
} from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { EventTailer } from '../streams/event-tailer.ts'
import type { RestaurantStreamOptions } from '../streams/restaurant-stream.ts'
import { streamRoutes } from '../streams/stream-routes.ts'
import { trackingPages } from '../streams/tracking-pages.ts'
import { timelineRoutes } from '../timeline/timeline-routes.ts'
import { deliveryRoutes } from '../webhooks/delivery-routes.ts'
import { type WebhookRoutesOptions, webhookRoutes } from '../webhooks/webhook-routes.ts'
import { assertSlots } from './assert-slots.ts'
import { buildAsyncApi } from './asyncapi.ts'
import { chooseAuthenticator } from './choose-authenticator.ts'
import { type RunningOperations, startOperations } from './operations.ts'
import type { Pipeline } from './pipeline.ts'
import { type ReadinessState, readinessChecks } from './readiness.ts'
import { openDatabase, type Service } from './service.ts'
import { stopInBudget } from './stop-in-budget.ts'
import { waitForDatabase } from './wait-for-database.ts'

export interface ApiService extends Service {
  /** base URL, e.g. `http://127.0.0.1:8000` */
  url: string
}

export interface ApiServiceOptions {
  /**
   * dispatcher and worker of the same `npm start`: the API wakes this dispatcher, and serves the
   * readiness and metrics of both; by default NOTIFY wakes the dispatchers of other processes
   */
  pipeline?: Omit<Pipeline, keyof Service>
  /** The database is embedded and has the demo restaurant. */
  isDemo?: boolean
}

/** Returns every operation of the API. */
export function apiRoutes(
  options: OrderRoutesOptions &
    StockRoutesOptions &
    RestaurantStreamOptions &
    WebhookRoutesOptions &
    OpsRoutesOptions,
): Route[] {
  return [
    ...orderRoutes(options),
    ...timelineRoutes(options),
    ...restaurantRoutes(options),
    ...stockRoutes(options),
    ...streamRoutes(options),
    ...webhookRoutes(options),
    ...deliveryRoutes(options),
    ...statsRoutes(options),
    ...opsRoutes(options),
  ]
}

/** Authenticators cache a key for 30 s, so a revoked key loses its streams within a minute. */
const STREAM_RECHECK_MS = 25_000
const STREAM_HEARTBEAT_MS = 15_000
/** Of one order: the people who have its link. */
const STREAMS_PER_CUSTOMER_COUNT = 10

/**
 * Starts the API.
 * @throws ConfigurationError naming PORT if the port is taken, or HOST if unauthenticated clients
 *   of other machines could connect, or CELL_SLOTS if stored ids have other slots, or
 *   OPERATIONS_DATABASE_URL if it leads to another database
 */
export async function startApi(
  config: Config,
  url: string,
  log: Logger,
  { pipeline, isDemo = false }: ApiServiceOptions = {},
): Promise<ApiService> {
  const database = await openDatabase(config, url, 'api', config.API_POOL_COUNT, log)
  const state: ReadinessState = { draining: false }
  let authenticator: Authenticator | undefined
  let operations: RunningOperations | undefined
  try {
    if (config.CELL_SLOTS) await assertSlots(database)
    authenticator = await chooseAuthenticator(config, database, log, database)
    operations = await startOperations(config, database, log)
  } catch (error) {
    await database.close()
    throw error
  }
  const reader = new EventTailer(database, log)
  const wakeDispatcher = pipeline ? () => pipeline.wake() : wakeByNotify(database, log)
  const placement = new PlacementQueue(
    pipeline ? database : database.notifying(OUTBOX_CHANNEL),
    config.PLACEMENT_BATCH_COUNT,
    () => {
      pipeline?.wake()
      reader.wake()
    },
  )
  const basePath = basePathOf(config)
  const links = await TrackingLinks.open(database, config.PUBLIC_URL)
  const routes = apiRoutes({
    database,
    cursors: await Cursors.open(database),
    operations,
    ownState: async () => ({
      checks: await readiness(),
      areStreamsFull: streams.isFull,
      areTrackingStreamsFull: customerStreams.isFull,
    }),
    placement,
    // Streams of this process learn of its commits at once, not from a dispatcher.
    wakeDispatcher: () => {
      wakeDispatcher()
      reader.wake()
    },
    reader,
    links,
    publicUrl: config.PUBLIC_URL,
    servedSlots: config.CELL_SLOTS,
    allowPrivateWebhooks: config.WEBHOOK_ALLOW_PRIVATE,
  })
  const streams = new EventStreams(
    {
      maxCount: config.STREAM_COUNT,
      maxPerCallerCount: config.STREAM_PER_CALLER_COUNT,
      heartbeatMs: STREAM_HEARTBEAT_MS,
      recheckMs: STREAM_RECHECK_MS,
    },
    log,
  )
  const customerStreams = new EventStreams(
    {
      maxCount: config.TRACK_STREAM_COUNT,
      maxPerCallerCount: STREAMS_PER_CUSTOMER_COUNT,
      heartbeatMs: STREAM_HEARTBEAT_MS,
      recheckMs: STREAM_RECHECK_MS,
    },
    log,
    'customers',
  )
  const perMinute = rateLimitOf(config)
  const metrics = createMetrics(pipeline && (() => pipeline.metrics()))
  async function readiness(): Promise<CheckResult[]> {
    const checks = runReadinessChecks(readinessChecks(database, state))
    return [...(await checks), ...((await pipeline?.readiness()) ?? [])]
  }
  const sessions = authenticator && (await Sessions.open(database, config.PUBLIC_URL))
  const app = createApp({
    routes,
    authenticator,
    sessions,
    rateLimit: perMinute === undefined ? undefined : limitRate(database, perMinute),
    pages: {
      open: [
        healthPages(readiness),
        problemPages(),
        schemaPages(eventSchemas(config.PUBLIC_URL)),
        servePage({ name: 'board', title: 'Comanda board' }),
        servePage({ name: 'track', title: 'Your order', path: '/track/:order_id', isPrivate: true }),
        trackingPages({
          database,
          reader,
          links,
          streams: customerStreams,
          log,
          wrongTokensPerMinute: config.FAILED_LOGINS_PER_MINUTE,
          servedSlots: config.CELL_SLOTS,
        }),
        servePage({ name: 'console', title: 'Comanda console', documents: ['operations.md'] }),
        signOutPages(sessions),
      ],
      callers: [
        documentationPages(openApiDocument(routes, packageJson.version, config), buildAsyncApi(config)),
        sessionPages({ isDemo, sessions }),
      ],
      operators: [metrics.page],
    },
    metrics,
    streams,
    servedSlots: config.CELL_SLOTS,
    requireIdempotencyKey: config.REQUIRE_IDEMPOTENCY_KEY,
    trustedProxyCount: config.TRUSTED_PROXY_COUNT,
    allowedHosts: allowedHostsOf(config),
    basePath,
    corsOrigins: config.CORS_ORIGINS,
    log,
  })
  const placing = {
    method: 'POST',
    path: '/api/v1/orders',
    queue: 'The queue for new orders',
    isFull: () => placement.isFull,
  }
  const answer = app.callback()
  const serve = shedLoad((request, response) => void answer(request, response), placing, metrics, basePath)
  const server = createHttpServer(serve, { basePath, corsOrigins: config.CORS_ORIGINS, metrics })
  const connections = new Connections(server)
  const perAddress = connectionLimitOf(config)
  if (perAddress !== undefined) limitConnections(server, perAddress, log)
  const heartbeat = await waitForDatabase(config, log, () => Heartbeat.start(database, { role: 'api' }, log))
  state.heartbeat = heartbeat
  let listening = ''
  try {
    listening = await listen(server, config.HOST, config.PORT, 'PORT')
  } catch (error) {
    await heartbeat.stop()
    await operations?.stop()
    await database.close()
    throw error
  }
  const stopMeasuring = [measureOps(database, log), measurePool('api', database)]
  function drain(): void {
    state.draining = true
    connections.drain()
  }
  return {
    url: listening,
    drain,
    stop: async budgetMs => {
      drain()
      for (const stop of stopMeasuring) stop()
      streams.drain()
      customerStreams.drain()
      await stopInBudget(budgetMs, {
        finish: async graceMs =>
          void (await Promise.all([connections.close(graceMs), reader.stop(), heartbeat.stop()])),
        release: async () => await operations?.stop(),
        database,
      })
    },
  }
}
