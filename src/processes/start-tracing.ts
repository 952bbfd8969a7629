import packageJson from '../../package.json' with { type: 'json' }
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import type { Tracing } from '../platform/trace-sdk.ts'
import type { Service } from './service.ts'

/** Maximum duration of the last export of traces. */
const LAST_EXPORT_TIMEOUT_MS = 800

/** Starts a service, whose stop also exports the last traces if tracing is on. */
export async function startTraced<Started extends Service>(
  config: Config,
  role: string,
  log: Logger,
  start: () => Promise<Started>,
): Promise<Started> {
  const tracing = await startTracing(config, role, log)
  const service = await start()
  if (!tracing) return service
  return {
    ...service,
    stop: async budgetMs => {
      await service.stop(budgetMs)
      await tracing.stop(LAST_EXPORT_TIMEOUT_MS)
    },
  }
}

/**
 * Starts to export traces if an OTLP endpoint is configured. Loads the SDK only then.
 * @returns undefined without an endpoint
 */
async function startTracing(config: Config, role: string, log: Logger): Promise<Tracing | undefined> {
  const endpoint = config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? config.OTEL_EXPORTER_OTLP_ENDPOINT
  if (endpoint === undefined || config.OTEL_SDK_DISABLED) return undefined
  const { installTracing } = await import('../platform/trace-sdk.ts')
  const tracing = installTracing(
    {
      serviceName: role === 'all' ? 'comanda' : `comanda-${role}`,
      serviceVersion: packageJson.version,
      sampler: config.OTEL_TRACES_SAMPLER,
      ratio: config.OTEL_TRACES_SAMPLER_ARG,
      headers: [config.OTEL_EXPORTER_OTLP_HEADERS, config.OTEL_EXPORTER_OTLP_TRACES_HEADERS]
        .filter(headers => headers !== undefined)
        .join(','),
    },
    log,
  )
  log.info({ to: new URL(endpoint).origin, sampler: config.OTEL_TRACES_SAMPLER }, 'exporting traces')
  return tracing
}
