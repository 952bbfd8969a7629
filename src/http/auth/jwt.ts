import {
  createRemoteJWKSet,
  errors,
  importSPKI,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { z } from 'zod'
import { type Scope, scopes } from '../../platform/caller.ts'
import { now } from '../../platform/clock.ts'
import type { Config } from '../../platform/config.ts'
import { expectedError } from '../problem.ts'
import type { Authenticator } from './authenticate.ts'

/**
 * Requirements for a token. All are explicit, because jose's defaults allow everything the key
 * permits.
 */
export interface JwtOptions {
  /** JWKS endpoint of the issuer; alternative to {@link publicKey} */
  jwksUrl?: string | undefined
  /** PEM (SPKI) */
  publicKey?: string | undefined
  issuer: string
  audience: string
  /** asymmetric, so that a verifier cannot create tokens */
  algorithm: Config['JWT_ALGORITHM']
}

/** Tolerated difference between the clocks of issuer and API. */
const CLOCK_TOLERANCE_SECONDS = 5
const JWKS_TIMEOUT_MS = 3_000
/** Shortest interval between two fetches of the key set, however many unknown key ids are sent. */
const JWKS_COOLDOWN_MS = 30_000

const claims = z.object({
  /** Postgres cannot store NUL or lone surrogates. */
  sub: z
    .string()
    .min(1)
    .max(200)
    .refine(sub => !sub.includes('\0') && sub.isWellFormed()),
  scope: z.string().default(''),
  /** restaurants that the caller is restricted to; absent: all */
  restaurants: z.array(z.uuid().toLowerCase()).optional(),
})

/** @throws when the public key is unreadable or does not fit the algorithm */
export async function jwtAuthenticator(options: JwtOptions): Promise<Authenticator> {
  const { issuer, audience, algorithm } = options
  const key = await keySource(options)
  const settings = {
    issuer,
    audience,
    algorithms: [algorithm],
    requiredClaims: ['exp', 'sub'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  }
  return async token => {
    let payload: JWTPayload
    try {
      ;({ payload } = await jwtVerify(token, key, { ...settings, currentDate: now() }))
    } catch (error) {
      if (isInvalidToken(error)) return undefined
      throw expectedError('auth-unavailable', { cause: error })
    }
    const { data } = claims.safeParse(payload)
    if (!data) return undefined
    const granted = data.scope.split(' ').filter((scope): scope is Scope => scopes.includes(scope as Scope))
    return {
      id: `jwt:${data.sub}`,
      name: data.sub,
      scopes: new Set(granted),
      restaurants: data.restaurants && new Set(data.restaurants),
    }
  }
}

async function keySource({ jwksUrl, publicKey, algorithm }: JwtOptions): Promise<JWTVerifyGetKey> {
  if (jwksUrl !== undefined) {
    return createRemoteJWKSet(new URL(jwksUrl), {
      timeoutDuration: JWKS_TIMEOUT_MS,
      cooldownDuration: JWKS_COOLDOWN_MS,
    })
  }
  const key = await importSPKI(publicKey ?? '', algorithm)
  return async () => key
}

/** Whether jose rejected the token itself, as opposed to failing to fetch the keys. */
function isInvalidToken(error: unknown): boolean {
  return (
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  )
}
