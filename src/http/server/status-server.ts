import { allowedHostsOf, basePathOf, type Config } from '../../platform/config.ts'
import type { Logger } from '../../platform/log.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import { createApp } from './app.ts'
import { healthPages, type ReadinessChecks, runReadinessChecks } from './health.ts'
import { listen } from './listen.ts'
import { createMetrics } from './metrics.ts'
import { createHttpServer } from './server.ts'

export interface StatusServer {
  /** e.g. `http://127.0.0.1:9100` */
  url: string
  close(): Promise<void>
}

/**
 * Serves `/healthz`, `/readyz` and `/metrics` of a role without the API.
 * @throws ConfigurationError naming STATUS_PORT
 */
export async function startStatusServer(
  config: Pick<Config, 'HOST' | 'AUTH_MODE' | 'PUBLIC_URL' | 'ALLOWED_HOSTS'>,
  port: number,
  checks: ReadinessChecks,
  authenticator: Authenticator | undefined,
  log: Logger,
): Promise<StatusServer> {
  const metrics = createMetrics()
  const basePath = basePathOf(config)
  const app = createApp({
    routes: [],
    authenticator,
    pages: { open: [healthPages(() => runReadinessChecks(checks))], callers: [], operators: [metrics.page] },
    metrics,
    allowedHosts: allowedHostsOf(config),
    basePath,
    log,
  })
  const serve = app.callback()
  const server = createHttpServer((request, response) => void serve(request, response), {
    basePath,
    metrics,
  })
  const url = await listen(server, config.HOST, port, 'STATUS_PORT')
  return {
    url,
    close: async () => {
      const closed = new Promise<void>(done => server.close(() => done()))
      server.closeAllConnections()
      await closed
    },
  }
}
