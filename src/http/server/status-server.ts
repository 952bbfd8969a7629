import type Router from '@koa/router'
import { allowedHostsOf, basePathOf, type Config } from '../../platform/config.ts'
import type { Logger } from '../../platform/log.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import { type AppOptions, createApp } from './app.ts'
import {
  type CheckResult,
  healthPages,
  notReadyPages,
  type ReadinessChecks,
  runReadinessChecks,
} from './health.ts'
import { listen } from './listen.ts'
import { createMetrics } from './metrics.ts'
import { createHttpServer } from './server.ts'

export interface StatusServer {
  /** e.g. `http://127.0.0.1:9100` */
  url: string
  close(): Promise<void>
}

type ServerConfig = Pick<Config, 'HOST' | 'AUTH_MODE' | 'PUBLIC_URL' | 'ALLOWED_HOSTS' | 'CORS_ORIGINS'>

/**
 * Serves `/healthz`, `/readyz` and `/metrics` of a role without the API.
 * @throws ConfigurationError naming STATUS_PORT
 */
export async function startStatusServer(
  config: ServerConfig,
  port: number,
  checks: ReadinessChecks,
  authenticator: Authenticator | undefined,
  log: Logger,
): Promise<StatusServer> {
  const metrics = createMetrics()
  const pages = { open: [healthPages(() => runReadinessChecks(checks))], operators: [metrics.page] }
  return await serve(config, [port, 'STATUS_PORT'], { pages, authenticator, metrics, log })
}

/**
 * Serves `/healthz` of a process that cannot work yet. All other requests get 503 with the results
 * of the checks.
 * @param results the last results of the checks
 * @throws ConfigurationError naming `variable`
 */
export async function startWaitingServer(
  config: ServerConfig,
  port: number,
  variable: 'PORT' | 'STATUS_PORT',
  results: () => CheckResult[],
  log: Logger,
): Promise<StatusServer> {
  const pages = { open: [healthPages(async () => results()), notReadyPages(results)], operators: [] }
  return await serve(config, [port, variable], { pages, metrics: createMetrics(), log })
}

async function serve(
  config: ServerConfig,
  [port, variable]: [port: number, variable: string],
  {
    pages,
    ...options
  }: { pages: { open: Router[]; operators: Router[] } } & Pick<
    AppOptions,
    'authenticator' | 'metrics' | 'log'
  >,
): Promise<StatusServer> {
  const basePath = basePathOf(config)
  const corsOrigins = config.CORS_ORIGINS
  const app = createApp({
    routes: [],
    ...options,
    pages: { ...pages, callers: [] },
    allowedHosts: allowedHostsOf(config),
    basePath,
    corsOrigins,
  })
  const answer = app.callback()
  const { metrics } = options
  const server = createHttpServer((request, response) => void answer(request, response), {
    basePath,
    corsOrigins,
    metrics,
  })
  const url = await listen(server, config.HOST, port, variable)
  return {
    url,
    close: async () => {
      const closed = new Promise<void>(done => server.close(() => done()))
      server.closeAllConnections()
      await closed
    },
  }
}
