import type { Database } from '../db/database.ts'
import { apiKeyAuthenticator } from '../http/auth/api-keys.ts'
import type { Authenticator } from '../http/auth/authenticate.ts'
import { countPerMinute } from '../http/auth/count-per-minute.ts'
import { jwtAuthenticator } from '../http/auth/jwt.ts'
import { limitFailedLogins } from '../http/auth/limit-failed-logins.ts'
import { type Config, ConfigurationError } from '../platform/config.ts'
import { isLoopback } from '../platform/is-loopback.ts'
import type { Logger } from '../platform/log.ts'

/**
 * Returns the authenticator of `AUTH_MODE`, which limits failed logins to
 * `FAILED_LOGINS_PER_MINUTE`.
 * @param counts database in which all processes count failed logins; by default each counts its own
 * @returns undefined if `AUTH_MODE` is `none`
 * @throws ConfigurationError if unauthenticated clients of other machines could connect, or if a
 *   variable that the mode requires is missing
 */
export async function chooseAuthenticator(
  config: Config,
  database: Database,
  log: Logger,
  counts?: Database,
): Promise<Authenticator | undefined> {
  const authenticator = await authenticatorOf(config, database)
  const perMinute = config.FAILED_LOGINS_PER_MINUTE
  if (authenticator === undefined || perMinute === 0) return authenticator
  return limitFailedLogins(authenticator, countPerMinute(perMinute, 'failed-login', counts), log)
}

async function authenticatorOf(config: Config, database: Database): Promise<Authenticator | undefined> {
  switch (config.AUTH_MODE) {
    case 'none':
      requireLoopback(config)
      return undefined
    case 'api-key':
      return apiKeyAuthenticator(database)
    case 'jwt':
      return await jwt(config)
  }
}

function requireLoopback({ HOST, ALLOW_INSECURE }: Config): void {
  if (isLoopback(HOST) || ALLOW_INSECURE) return
  throw new ConfigurationError(
    `HOST: other machines can reach ${HOST}, and AUTH_MODE=none accepts every request; set AUTH_MODE to jwt or api-key, or ALLOW_INSECURE=true if the network restricts access`,
  )
}

async function jwt(config: Config): Promise<Authenticator> {
  const {
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
    JWT_JWKS_URL: jwksUrl,
    JWT_PUBLIC_KEY: publicKey,
  } = config
  if (issuer === undefined) throw new ConfigurationError('JWT_ISSUER: is required for AUTH_MODE=jwt')
  if (audience === undefined) throw new ConfigurationError('JWT_AUDIENCE: is required for AUTH_MODE=jwt')
  if ((jwksUrl === undefined) === (publicKey === undefined))
    throw new ConfigurationError(
      'JWT_JWKS_URL: AUTH_MODE=jwt requires either this or JWT_PUBLIC_KEY, not both',
    )
  try {
    return await jwtAuthenticator({ issuer, audience, jwksUrl, publicKey, algorithm: config.JWT_ALGORITHM })
  } catch (error) {
    throw new ConfigurationError(`JWT_PUBLIC_KEY: is not a PEM public key for ${config.JWT_ALGORITHM}`, {
      cause: error,
    })
  }
}
