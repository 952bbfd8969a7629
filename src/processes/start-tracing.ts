import packageJson from '../../package.json' with { type: 'json' }
import type { Config } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import type { Tracing } from '../platform/trace-sdk.ts'

/**
 * Has this process's traces sent, where an OTLP endpoint is named. The SDK is loaded only then.
 * @returns undefined where none is
 */
export async function startTracing(config: Config, role: string, log: Logger): Promise<Tracing | undefined> {
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
        .filter(given => given !== undefined)
        .join(','),
    },
    log,
  )
  log.info({ to: new URL(endpoint).origin, sampler: config.OTEL_TRACES_SAMPLER }, 'traces are sent')
  return tracing
}
