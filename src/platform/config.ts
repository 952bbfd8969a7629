import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { isLoopback } from './is-loopback.ts'

const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

const yesOrNo = z.stringbool({ error: 'must be true or false' }).default(false)

/** Origins as browsers send them (RFC 6454, section 6.2), with commas between. */
const origins = z
  .string()
  .default('')
  .transform(list => list.split(',').map(origin => origin.trim()))
  .transform(list => list.filter(origin => origin !== ''))
  .refine(list => list.every(isOrigin), {
    error:
      'must be origins like https://till.example, with commas between: no path, no slash at the end, no `*`',
  })

function isOrigin(text: string): boolean {
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

/** What a URL may have between `//` and the port. */
const hosts = z
  .string()
  .default('')
  .transform(list => list.split(',').map(host => host.trim().toLowerCase()))
  .transform(list => list.filter(host => host !== ''))
  .refine(list => list.every(isHost), {
    error: 'must be names like till.example, with commas between: no scheme, no port, no `*`',
  })

function isHost(text: string): boolean {
  return !text.includes('*') && URL.parse(`http://${text}`)?.hostname === text
}

const otlpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).optional()
/** As the exporter reads them, which ignores what it cannot read. */
const otlpHeaders = z
  .string()
  .refine(
    pairs => pairs.split(',').every(pair => /^\s*[\w!#$%&'*+.^`|~-]+\s*=\s*[^\s;]/.test(pair)),
    'must be like authorization=Bearer%20TOKEN, with commas between several',
  )
  .optional()
const fileOf = (name: string) =>
  z.string().min(1).optional().describe(`file that holds \`${name}\`, which is then not set itself`)

const environment = z.object({
  PORT: count(0, 65_535).default(8000).describe('TCP port of the API; 0 picks a free one'),
  HOST: z.string().min(1).default('127.0.0.1').describe('address the API listens on'),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
    .transform(url => url.replace(/\/+$/, ''))
    .default('http://localhost:8000')
    .describe('where others reach the API: what events and their schemas are named by'),
  STATUS_PORT: count(0, 65_535)
    .optional()
    .describe(
      'TCP port for `/healthz`, `/readyz` and `/metrics` of a dispatcher or worker; left out, they listen on none',
    ),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// or postgresql:// URL' })
    .optional()
    .describe('the database; left out, an embedded PostgreSQL 18 is started'),
  DATABASE_URL_FILE: fileOf('DATABASE_URL'),
  DATA_DIR: z.string().min(1).default('.data').describe('folder of the embedded database'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('least severity that is logged'),
  API_POOL_COUNT: count(1, 500).default(10).describe('database connections of the api role'),
  DISPATCHER_POOL_COUNT: count(2, 500).default(4).describe('database connections of the dispatcher role'),
  WORKER_POOL_COUNT: count(4, 500).default(12).describe('database connections of the worker role'),
  PLACEMENT_BATCH_COUNT: count(1, 500).default(500).describe('most orders that share one statement'),
  DATABASE_TIMEOUT_MS: count(100, 600_000).default(5_000).describe('longest one statement may take'),
  DATABASE_WAIT_MS: count(0, 600_000)
    .default(15_000)
    .describe('longest a starting process waits for a database that is away'),
  AUTH_MODE: z
    .enum(['none', 'jwt', 'api-key'])
    .default('none')
    .describe(
      'who may call: `none` lets everybody, `jwt` takes tokens, `api-key` takes keys of `npm run keys`',
    ),
  ALLOW_INSECURE: yesOrNo.describe('lets `AUTH_MODE=none` listen on an address that others can reach'),
  JWT_ISSUER: z.string().min(1).optional().describe('`iss` that tokens must have'),
  JWT_AUDIENCE: z.string().min(1).optional().describe('`aud` that tokens must have'),
  JWT_JWKS_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
    .optional()
    .describe('where the issuer publishes its public keys; or else `JWT_PUBLIC_KEY`'),
  JWT_PUBLIC_KEY: z.string().min(1).optional().describe("the issuer's public key, as PEM"),
  JWT_PUBLIC_KEY_FILE: fileOf('JWT_PUBLIC_KEY'),
  JWT_ALGORITHM: z
    .enum(['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'])
    .default('RS256')
    .describe('the algorithm that tokens are signed with; no other is taken'),
  RATE_LIMIT_PER_MINUTE: count(0, 1_000_000)
    .optional()
    .describe('requests that each caller may send in a minute; 0 is any number'),
  REQUIRE_IDEMPOTENCY_KEY: yesOrNo.describe(
    'whether each POST, PATCH and DELETE must carry an `Idempotency-Key`',
  ),
  WEBHOOK_RETRY_SECONDS: z
    .string()
    .regex(/^[1-9]\d{0,5}(,[1-9]\d{0,5}){0,8}$/, 'must be 1 to 9 numbers of seconds, with commas')
    .default('5,300,1800,7200,18000,36000,50400,72000,72000')
    .transform(list => list.split(',').map(Number))
    .describe(
      'how long a delivery waits after each failed attempt, give or take a fifth; after the last of them as before',
    ),
  WEBHOOK_ALLOW_PRIVATE: yesOrNo.describe(
    'for development only: lets webhooks lead to private addresses, this machine among them, and over plain `http`',
  ),
  FAILED_LOGINS_PER_MINUTE: count(0, 1_000_000)
    .default(60)
    .describe('wrong tokens that may come from each address in a minute; 0 is any number'),
  TRUSTED_PROXY_COUNT: count(0, 10)
    .default(0)
    .describe(
      'proxies in front that add the address of whom they serve to `X-Forwarded-For`; with 0 the header is not looked at',
    ),
  CONNECTIONS_PER_ADDRESS_COUNT: count(0, 100_000)
    .optional()
    .describe('connections that each address may have open, with an API process; 0 is any number'),
  ALLOWED_HOSTS: hosts.describe(
    'names that the API may be called by, with commas between, beside `localhost` and those in `HOST` and `PUBLIC_URL`',
  ),
  STREAM_COUNT: count(0, 100_000)
    .default(2_500)
    .describe('event streams that an API process keeps open at once'),
  STREAM_PER_CALLER_COUNT: count(1, 100_000)
    .default(500)
    .describe('how many of them one caller may have, where callers are told apart'),
  CORS_ORIGINS: origins.describe(
    'origins whose pages may call from a browser, with commas between, e.g. `https://till.example`; left out, none',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl.describe(
    'where traces go (OTLP over HTTP, e.g. `http://127.0.0.1:4318`); left out, there are none',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpUrl.describe('the same, as the whole URL for traces'),
  OTEL_EXPORTER_OTLP_HEADERS: otlpHeaders.describe(
    'headers to send with traces, e.g. `authorization=Bearer%20TOKEN`, with commas between several',
  ),
  OTEL_EXPORTER_OTLP_HEADERS_FILE: fileOf('OTEL_EXPORTER_OTLP_HEADERS'),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: otlpHeaders.describe('more of them, which win over those'),
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
    .describe('which traces are kept; `parentbased_` does as the caller has decided'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('how many of all, 0 to 1, for the samplers with `traceidratio`'),
  OTEL_SDK_DISABLED: yesOrNo.describe('turns traces off whatever else is set'),
  FAILPOINTS: z
    .string()
    .default('')
    .describe('for tests: where this process is to fail, see src/platform/failpoints.ts'),
  SHUTDOWN_TIMEOUT_MS: count(100, 600_000).default(10_000).describe('longest a graceful stop may take'),
  API_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be a token or a key')
    .optional()
    .describe(
      'token or key that `npm run seed` and `npm run simulate` call with, where callers are told apart',
    ),
  API_TOKEN_FILE: fileOf('API_TOKEN'),
})

/** What each caller may send in a minute where callers are told apart and nothing else is said. */
const DEFAULT_RATE_PER_MINUTE = 6_000

/** Requests that each caller may send in a minute; undefined: any number. */
export function rateLimitOf(
  config: Partial<Pick<Config, 'AUTH_MODE' | 'RATE_LIMIT_PER_MINUTE'>>,
): number | undefined {
  const { AUTH_MODE = 'none', RATE_LIMIT_PER_MINUTE } = config
  const limit = RATE_LIMIT_PER_MINUTE ?? (AUTH_MODE === 'none' ? 0 : DEFAULT_RATE_PER_MINUTE)
  return limit === 0 ? undefined : limit
}

/** What each address may have open where others reach the API and nothing else is said: a fifth of all. */
const DEFAULT_CONNECTIONS_PER_ADDRESS = 1_000

/** Connections that each address may have open; undefined: any number. Behind proxies it cannot be known whose they are. */
export function connectionLimitOf(
  config: Pick<Config, 'HOST' | 'TRUSTED_PROXY_COUNT' | 'CONNECTIONS_PER_ADDRESS_COUNT'>,
): number | undefined {
  const isAlone = isLoopback(config.HOST) || config.TRUSTED_PROXY_COUNT > 0
  const limit = config.CONNECTIONS_PER_ADDRESS_COUNT ?? (isAlone ? 0 : DEFAULT_CONNECTIONS_PER_ADDRESS)
  return limit === 0 ? undefined : limit
}

/** Names that a request may be for, as its Host header has them, without a port; undefined: any. */
export function allowedHostsOf(
  config: Pick<Config, 'AUTH_MODE' | 'HOST' | 'PUBLIC_URL' | 'ALLOWED_HOSTS'>,
): ReadonlySet<string> | undefined {
  const { AUTH_MODE, HOST, PUBLIC_URL, ALLOWED_HOSTS } = config
  const isOpenToPages = AUTH_MODE === 'none' && isLoopback(HOST)
  if (!isOpenToPages && ALLOWED_HOSTS.length === 0) return undefined
  const own = HOST.includes(':') ? `[${HOST}]` : HOST
  return new Set([
    'localhost',
    '127.0.0.1',
    '[::1]',
    own.toLowerCase(),
    new URL(PUBLIC_URL).hostname,
    ...ALLOWED_HOSTS,
  ])
}

export type Config = Readonly<z.infer<typeof environment>>

/** The environment variables this program reads, in the order the README lists them. */
export const configVariables = Object.entries(environment.shape).map(([name, schema]) => ({
  name,
  description: schema.description ?? '',
}))

/** A variable has a value that cannot be used. The message is one line and names the variable. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

/** Variables whose value may stand in a file named by `<name>_FILE`, and is never repeated. */
const secrets = [
  'DATABASE_URL',
  'JWT_PUBLIC_KEY',
  'API_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
] as const

/**
 * Parses the environment once, with the files that it names. An empty value counts as left out.
 * @throws ConfigurationError naming the first variable that is wrong
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const fromFiles = readSecretFiles(secrets, given)
  const result = environment.safeParse({ ...given, ...fromFiles })
  if (result.success) return Object.freeze(result.data)
  const issue = result.error.issues[0]
  const name = String(issue?.path[0])
  // An endpoint's URL may hold a password, too.
  const isSecret = secrets.some(secret => secret === name) || name.endsWith('_ENDPOINT')
  const shown = isSecret ? '' : ` (got ${JSON.stringify(given[name])})`
  throw new ConfigurationError(
    `${name in fromFiles ? `${name}_FILE` : name}: ${issue?.message ?? 'invalid'}${shown}`,
  )
}

/**
 * Secrets of which not the value is given, but a file that holds it.
 * @returns those, by name
 * @throws ConfigurationError naming the variable, never with what a file holds
 */
export function readSecretFiles(
  names: readonly string[],
  env: Record<string, string | undefined>,
): Record<string, string> {
  const inFiles = names.filter(name => env[`${name}_FILE`])
  return Object.fromEntries(inFiles.map(name => [name, readSecret(name, env)]))
}

/** What the file says; white space around it, such as a last newline, does not count. */
function readSecret(name: string, given: Record<string, string | undefined>): string {
  const variable = `${name}_FILE`
  if (given[name])
    throw new ConfigurationError(`${variable}: either this or ${name} can be set, and not both`)
  let content: string
  try {
    content = readFileSync(given[variable] ?? '', 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigurationError(`${variable}: ${given[variable]} cannot be read (${code})`, { cause: error })
  }
  if (content === '') throw new ConfigurationError(`${variable}: ${given[variable]} is empty`)
  return content
}

/** Reads `.env`, if there is one, and the environment. The only reader of `process.env` in `src`. */
export function loadConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return parseConfig(process.env)
}
