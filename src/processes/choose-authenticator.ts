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
 * How callers are told apart, by `AUTH_MODE`, with guesses limited by `FAILED_LOGINS_PER_MINUTE`.
 * @param counts where wrong tokens are counted for all processes; left out, this one counts for itself
 * @returns undefined when everybody may call
 * @throws ConfigurationError when strangers could, or when what the mode needs is missing
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
      refuseStrangers(config)
      return undefined
    case 'api-key':
      return apiKeyAuthenticator(database)
    case 'jwt':
      return await jwt(config)
  }
}

function refuseStrangers({ HOST, ALLOW_INSECURE }: Config): void {
  if (isLoopback(HOST) || ALLOW_INSECURE) return
  throw new ConfigurationError(
    `HOST: ${HOST} can be reached by others, and AUTH_MODE=none lets everybody in; set AUTH_MODE to jwt or api-key, or ALLOW_INSECURE=true when something else keeps strangers out`,
  )
}

async function jwt(config: Config): Promise<Authenticator> {
  const {
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
    JWT_JWKS_URL: jwksUrl,
    JWT_PUBLIC_KEY: publicKey,
  } = config
  if (issuer === undefined) throw new ConfigurationError('JWT_ISSUER: is needed for AUTH_MODE=jwt')
  if (audience === undefined) throw new ConfigurationError('JWT_AUDIENCE: is needed for AUTH_MODE=jwt')
  if ((jwksUrl === undefined) === (publicKey === undefined))
    throw new ConfigurationError(
      'JWT_JWKS_URL: either this or JWT_PUBLIC_KEY is needed for AUTH_MODE=jwt, and not both',
    )
  try {
    return await jwtAuthenticator({ issuer, audience, jwksUrl, publicKey, algorithm: config.JWT_ALGORITHM })
  } catch (error) {
    throw new ConfigurationError(`JWT_PUBLIC_KEY: is no public key for ${config.JWT_ALGORITHM} in PEM`, {
      cause: error,
    })
  }
}
