import { z } from 'zod'
import {
  baseUrl,
  count,
  fileOf,
  flag,
  hosts,
  httpUrl,
  origins,
  otlpHeaders,
  postgresUrl,
  retrySchedule,
  slots,
  text,
} from './config-formats.ts'

/** The environment variables of Comanda by group, in the order of docs/configuration.md. */

const server = {
  PORT: count(0, 65_535).default(8000).describe('TCP port of the API. 0 picks a free port.'),
  HOST: text()
    .default('127.0.0.1')
    .describe('Address that the API and the status server listen on. The container image sets `0.0.0.0`.'),
  PUBLIC_URL: baseUrl().optional().meta({
    values: 'http(s) URL',
    description:
      'URL at which clients reach the API, with the path if a proxy serves the API under one. Event sources, schema URLs, `Location`, `Link` and problem types are built from it. Default: `http://`, `HOST` and `PORT`, with `localhost` for `127.0.0.1`, `0.0.0.0` and `::`.',
  }),
  STATUS_PORT: count(0, 65_535)
    .optional()
    .describe(
      'TCP port on which a dispatcher or worker serves `/healthz`, `/readyz` and `/metrics`. Without it, they open no port.',
    ),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Lowest severity that is logged.'),
  LOG_FORMAT: z
    .enum(['auto', 'pretty', 'json'])
    .default('auto')
    .describe(
      'Log lines: `pretty` for people, `json` for machines. `auto` is pretty for `npm start` and on a terminal, and JSON for a single role without a terminal.',
    ),
  SHUTDOWN_TIMEOUT_MS: count(100, 600_000)
    .default(10_000)
    .describe('Maximum duration of a graceful shutdown, after `DRAIN_DELAY_MS`.'),
  DRAIN_DELAY_MS: count(0, 600_000)
    .default(0)
    .describe(
      'How long a process keeps working after SIGTERM while its `/readyz` already answers 503, so that load balancers stop sending requests before the listening socket closes.',
    ),
}

const database = {
  DATABASE_URL: postgresUrl().optional().meta({
    values: 'postgres:// URL',
    description:
      'Database to use: one address, which leads to the primary. Without it, `npm start` runs an embedded PostgreSQL 18.',
  }),
  DATABASE_URL_FILE: fileOf('DATABASE_URL'),
  DATABASE_LISTEN_URL: postgresUrl().optional().meta({
    values: 'postgres:// URL',
    description:
      'Address of Postgres itself for `LISTEN`, if `DATABASE_URL` leads to PgBouncer in transaction mode.',
  }),
  DATABASE_LISTEN_URL_FILE: fileOf('DATABASE_LISTEN_URL'),
  OPERATIONS_DATABASE_URL: postgresUrl().optional().meta({
    values: 'postgres:// URL',
    description:
      'The same database with a login of the group `comanda_operations`: the API then makes the changes of operators (`/console`, `POST /api/v1/ops/…`). `npm start` uses `DATABASE_URL` by default; other APIs make no such changes without it, and refuse to start if it leads to another database.',
  }),
  OPERATIONS_DATABASE_URL_FILE: fileOf('OPERATIONS_DATABASE_URL'),
  DATA_DIR: text()
    .default('.data')
    .describe(
      'Folder of the embedded database. While the database runs, `database.url` in it holds the connection string.',
    ),
  DATABASE_TIMEOUT_MS: count(100, 600_000).default(5_000).describe('Maximum duration of one SQL statement.'),
  DATABASE_WAIT_MS: count(0, 600_000)
    .default(15_000)
    .describe('How long a starting process waits for an unavailable database before it exits.'),
}

const roles = {
  API_POOL_COUNT: count(1, 500).default(10).describe('Database connections of each API process.'),
  DISPATCHER_POOL_COUNT: count(2, 500).default(4).describe('Database connections of each dispatcher.'),
  WORKER_POOL_COUNT: count(6, 500).default(12).describe('Database connections of each worker.'),
  QUEUE_BACKLOG_COUNT: count(1, 10_000_000)
    .default(20_000)
    .describe(
      'Waiting jobs of a queue above which its events wait in the outbox, until half of the jobs are done. See [operations.md](operations.md#events-are-held).',
    ),
  PLACEMENT_BATCH_COUNT: count(1, 500)
    .default(500)
    .describe('Maximum number of new orders that one statement inserts.'),
  CELL_SLOTS: slots().meta({
    values: 'slots and ranges, comma-separated',
    description:
      'Slots of the restaurants that this API serves, e.g. `000-7ff,c01`: the last three hexadecimal digits of their ids. Requests for other restaurants get 421. Default: all slots. See [deployment.md](deployment.md#cells).',
  }),
}

const authentication = {
  AUTH_MODE: z
    .enum(['none', 'jwt', 'api-key'])
    .default('none')
    .describe(
      'How clients authenticate: `none` accepts every request, `jwt` verifies bearer tokens, `api-key` accepts keys created by `npm run keys`.',
    ),
  ALLOW_INSECURE: flag().describe(
    'Permits `AUTH_MODE=none` on an address that other machines can reach. Otherwise such a process refuses to start.',
  ),
  JWT_ISSUER: text().optional().describe('Required `iss` claim of tokens. Mandatory for `AUTH_MODE=jwt`.'),
  JWT_AUDIENCE: text().optional().describe('Required `aud` claim of tokens. Mandatory for `AUTH_MODE=jwt`.'),
  JWT_JWKS_URL: httpUrl().optional().meta({
    values: 'http(s) URL',
    description: 'JWKS endpoint of the issuer. Set either this or `JWT_PUBLIC_KEY`.',
  }),
  JWT_PUBLIC_KEY: text().optional().meta({ values: 'PEM', description: 'Public key of the issuer.' }),
  JWT_PUBLIC_KEY_FILE: fileOf('JWT_PUBLIC_KEY'),
  JWT_ALGORITHM: z
    .enum(['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'])
    .default('RS256')
    .describe('Signature algorithm of tokens. Tokens with any other algorithm are rejected.'),
}

const limits = {
  RATE_LIMIT_PER_MINUTE: count(0, 1_000_000)
    .optional()
    .describe(
      'Requests per minute and client. 0 means unlimited. Default: 6000, but unlimited with `AUTH_MODE=none`, where all clients share one limit.',
    ),
  FAILED_LOGINS_PER_MINUTE: count(0, 1_000_000)
    .default(60)
    .describe('Requests with an invalid token or key per minute and client address. 0 means unlimited.'),
  CONNECTIONS_PER_ADDRESS_COUNT: count(0, 100_000)
    .optional()
    .describe(
      'Open connections per client address and API process. 0 means unlimited. Default: 1000, but unlimited on a loopback address and behind proxies.',
    ),
  REQUIRE_IDEMPOTENCY_KEY: flag().describe(
    'Rejects each POST, PUT, PATCH and DELETE request that has no `Idempotency-Key` header.',
  ),
}

const network = {
  TRUSTED_PROXY_COUNT: count(0, 10)
    .default(0)
    .describe('Number of trusted reverse proxies. With 0, `X-Forwarded-For` is ignored.'),
  ALLOWED_HOSTS: hosts().meta({
    values: 'host names, comma-separated',
    description:
      'Accepted `Host` headers, in addition to `localhost` and the hosts of `HOST` and `PUBLIC_URL`. Default: every host; only those additional ones with `AUTH_MODE=none` on a loopback address.',
  }),
  CORS_ORIGINS: origins().meta({
    values: 'origins, comma-separated',
    description:
      'Origins whose pages may call the API from a browser, e.g. `https://till.example`. Default: none.',
  }),
}

/** Ten years. */
const MAX_RETENTION_MINUTES = 5_256_000

const retention = {
  OUTBOX_RETENTION_MINUTES: count(5, MAX_RETENTION_MINUTES)
    .default(43_200)
    .describe(
      'How long dispatched events are kept, and finished webhook deliveries with their attempts. Pending, quarantined and undelivered events are kept in any case. `npm run migrate` applies this variable and the next three.',
    ),
  PROCESSED_RETENTION_MINUTES: count(5, MAX_RETENTION_MINUTES)
    .default(64_800)
    .describe(
      'How long the records that prevent a second effect of an event are kept, at least `OUTBOX_RETENTION_MINUTES`. A redrive may reach back two thirds of it.',
    ),
  JOB_RETENTION_MINUTES: count(1, MAX_RETENTION_MINUTES)
    .default(10_080)
    .describe('How long finished jobs are kept.'),
  IDEMPOTENCY_RETENTION_MINUTES: count(1, MAX_RETENTION_MINUTES)
    .default(1_440)
    .describe('How long an `Idempotency-Key` is kept with its response.'),
}

const webhooks = {
  WEBHOOK_RETRY_SECONDS: retrySchedule()
    .default('5,300,1800,7200,18000,36000,50400,72000,72000')
    .transform(list => list.split(',').map(Number))
    .meta({
      values: '1–9 numbers, comma-separated',
      description:
        'Delay before each retry of a failed delivery, in seconds, ± 20 % jitter. The last delay applies to all further retries.',
    }),
  WEBHOOK_ALLOW_PRIVATE: flag().describe(
    'For development only. Permits webhook URLs with plain `http` and with private or loopback addresses.',
  ),
}

const streams = {
  STREAM_COUNT: count(0, 100_000).default(2_500).describe('Open event streams per API process.'),
  STREAM_PER_CALLER_COUNT: count(1, 100_000)
    .default(500)
    .describe('Open event streams per authenticated client and API process.'),
  TRACK_STREAM_COUNT: count(0, 100_000)
    .default(1_000)
    .describe(
      'Open streams of tracking pages per API process, which `STREAM_COUNT` does not count. Beyond it, the pages poll.',
    ),
}

const otlpEndpoint = () => httpUrl().optional()

const tracing = {
  OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint().meta({
    values: 'http(s) URL',
    description:
      'Base URL of the collector that receives traces (OTLP over HTTP), e.g. `http://127.0.0.1:4318`. Without an endpoint, tracing is off.',
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpEndpoint().meta({
    values: 'http(s) URL',
    description: 'Full URL for traces. Takes precedence over `OTEL_EXPORTER_OTLP_ENDPOINT`.',
  }),
  OTEL_EXPORTER_OTLP_HEADERS: otlpHeaders().meta({
    values: '`name=value`, comma-separated',
    description: 'Headers of each export, URL-encoded, e.g. `authorization=Bearer%20TOKEN`.',
  }),
  OTEL_EXPORTER_OTLP_HEADERS_FILE: fileOf('OTEL_EXPORTER_OTLP_HEADERS'),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: otlpHeaders().meta({
    values: '`name=value`, comma-separated',
    description: 'Additional headers. On equal names they take precedence over `OTEL_EXPORTER_OTLP_HEADERS`.',
  }),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE: fileOf('OTEL_EXPORTER_OTLP_TRACES_HEADERS'),
  OTEL_TRACES_SAMPLER: z
    .enum([
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ])
    .default('parentbased_always_on')
    .describe('Sampler. The `parentbased_` samplers follow the decision of the client, if it sent one.'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Ratio of sampled traces, for the `traceidratio` samplers.'),
  OTEL_SDK_DISABLED: flag().describe('Turns tracing off, regardless of the other variables.'),
}

const tools = {
  API_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be a token or a key')
    .optional()
    .meta({
      values: 'token or key',
      description: 'Credential that `npm run seed` and `npm run simulate` send to the API.',
    }),
  API_TOKEN_FILE: fileOf('API_TOKEN'),
  FAILPOINTS: z
    .string()
    .default('')
    .describe(
      'For tests only: points at which the process fails on purpose, see `src/platform/failpoints.ts`.',
    ),
}

/** Titles and variables of each group. */
export const configGroups = {
  Server: server,
  Database: database,
  Roles: roles,
  Authentication: authentication,
  Limits: limits,
  'Proxies, hosts and browsers': network,
  Retention: retention,
  Webhooks: webhooks,
  'Event streams': streams,
  Tracing: tracing,
  'Tools and tests': tools,
}

/** The whole environment. Unknown variables are ignored. */
export const environment = z
  .object({
    ...server,
    ...database,
    ...roles,
    ...authentication,
    ...limits,
    ...network,
    ...retention,
    ...webhooks,
    ...streams,
    ...tracing,
    ...tools,
  })
  .refine(config => config.PROCESSED_RETENTION_MINUTES >= config.OUTBOX_RETENTION_MINUTES, {
    path: ['PROCESSED_RETENTION_MINUTES'],
    error: 'must be at least OUTBOX_RETENTION_MINUTES; the default is 64800',
  })
  .transform(({ PUBLIC_URL, ...config }) => ({ ...config, PUBLIC_URL: PUBLIC_URL ?? localUrl(config) }))

/** Returns the URL of an API that no proxy serves. */
function localUrl({ HOST, PORT }: { HOST: string; PORT: number }): string {
  const isLocal = ['127.0.0.1', '0.0.0.0', '::'].includes(HOST)
  const host = HOST.includes(':') ? `[${HOST}]` : HOST
  return new URL(`http://${isLocal ? 'localhost' : host}:${PORT}`).origin
}
