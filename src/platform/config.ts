import { existsSync, readFileSync } from 'node:fs'
import type { z } from 'zod'
import { environment } from './config-variables.ts'
import { isLoopback } from './is-loopback.ts'

export type Config = Readonly<z.infer<typeof environment>>

/**
 * An environment variable has an invalid value. The message is one line and begins with the
 * variable.
 */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

const DEFAULT_RATE_PER_MINUTE = 6_000

/** Returns the requests per minute that each client may send; undefined means unlimited. */
export function rateLimitOf(
  config: Partial<Pick<Config, 'AUTH_MODE' | 'RATE_LIMIT_PER_MINUTE'>>,
): number | undefined {
  const { AUTH_MODE = 'none', RATE_LIMIT_PER_MINUTE } = config
  const limit = RATE_LIMIT_PER_MINUTE ?? (AUTH_MODE === 'none' ? 0 : DEFAULT_RATE_PER_MINUTE)
  return limit === 0 ? undefined : limit
}

/** A fifth of the connections that an API process accepts in total. */
const DEFAULT_CONNECTIONS_PER_ADDRESS = 1_000

/**
 * Returns the open connections that each client address may have; undefined means unlimited, which
 * is the default behind proxies, because there the address is the proxy's.
 */
export function connectionLimitOf(
  config: Pick<Config, 'HOST' | 'TRUSTED_PROXY_COUNT' | 'CONNECTIONS_PER_ADDRESS_COUNT'>,
): number | undefined {
  const isUnlimited = isLoopback(config.HOST) || config.TRUSTED_PROXY_COUNT > 0
  const limit = config.CONNECTIONS_PER_ADDRESS_COUNT ?? (isUnlimited ? 0 : DEFAULT_CONNECTIONS_PER_ADDRESS)
  return limit === 0 ? undefined : limit
}

/** Returns the format of the log lines of a process. */
export function logFormatOf(
  { LOG_FORMAT }: Pick<Config, 'LOG_FORMAT'>,
  role: string,
  isTerminal: boolean,
): 'pretty' | 'json' {
  if (LOG_FORMAT !== 'auto') return LOG_FORMAT
  // `npm start` also prints a banner, so its output is for people in any case.
  return isTerminal || role === 'all' ? 'pretty' : 'json'
}

/**
 * Returns the path of `PUBLIC_URL`, e.g. `/comanda`, or an empty string. A proxy removes it from
 * requests, so that only paths in responses begin with it.
 */
export function basePathOf({ PUBLIC_URL }: Pick<Config, 'PUBLIC_URL'>): string {
  return new URL(PUBLIC_URL).pathname.replace(/\/$/, '')
}

/** Returns the accepted values of the Host header, without a port; undefined means any. */
export function allowedHostsOf(
  config: Pick<Config, 'AUTH_MODE' | 'HOST' | 'PUBLIC_URL' | 'ALLOWED_HOSTS'>,
): ReadonlySet<string> | undefined {
  const { AUTH_MODE, HOST, PUBLIC_URL, ALLOWED_HOSTS } = config
  // Without authentication, a web page could call a local API by DNS rebinding.
  const isOpenToPages = AUTH_MODE === 'none' && isLoopback(HOST)
  if (!isOpenToPages && ALLOWED_HOSTS.length === 0) return undefined
  const ownHost = HOST.includes(':') ? `[${HOST}]` : HOST
  return new Set([
    'localhost',
    '127.0.0.1',
    '[::1]',
    ownHost.toLowerCase(),
    new URL(PUBLIC_URL).hostname,
    ...ALLOWED_HOSTS,
  ])
}

/**
 * Variables whose value is never printed, and may be read from the file that `<name>_FILE` names.
 */
const secrets = [
  'DATABASE_URL',
  'DATABASE_LISTEN_URL',
  'OPERATIONS_DATABASE_URL',
  'JWT_PUBLIC_KEY',
  'API_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
] as const

/**
 * Parses environment variables and reads the files that they name. An empty value counts as unset.
 * @throws ConfigurationError naming the first invalid variable
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const variables = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const fromFiles = readSecretFiles(secrets, variables)
  const result = environment.safeParse({ ...variables, ...fromFiles })
  if (result.success) return Object.freeze(result.data)
  const issue = result.error.issues[0]
  const name = String(issue?.path[0])
  // The URL of an endpoint may hold a password, too.
  const isSecret = secrets.some(secret => secret === name) || name.endsWith('_ENDPOINT')
  const value = isSecret || variables[name] === undefined ? '' : ` (got ${JSON.stringify(variables[name])})`
  throw new ConfigurationError(
    `${name in fromFiles ? `${name}_FILE` : name}: ${issue?.message ?? 'invalid'}${value}`,
  )
}

/**
 * Returns, by variable, the secrets that `<name>_FILE` variables name files for.
 * @throws ConfigurationError naming the variable, never with the content of a file
 */
export function readSecretFiles(
  names: readonly string[],
  env: Record<string, string | undefined>,
): Record<string, string> {
  const inFiles = names.filter(name => env[`${name}_FILE`])
  return Object.fromEntries(inFiles.map(name => [name, readSecret(name, env)]))
}

/** Returns the content of the file without surrounding white space, such as a final newline. */
function readSecret(name: string, env: Record<string, string | undefined>): string {
  const variable = `${name}_FILE`
  if (env[name]) throw new ConfigurationError(`${variable}: set either this or ${name}, not both`)
  let content: string
  try {
    content = readFileSync(env[variable] ?? '', 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigurationError(`${variable}: ${env[variable]} cannot be read (${code})`, { cause: error })
  }
  if (content === '') throw new ConfigurationError(`${variable}: ${env[variable]} is empty`)
  return content
}

/** Reads `.env`, if it exists, and the environment. Only this module of `src` reads them. */
export function loadConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return parseConfig(process.env)
}

/** Returns whether an npm script started this process. */
export function isRunByNpm(): boolean {
  return process.env['npm_lifecycle_event'] !== undefined
}
