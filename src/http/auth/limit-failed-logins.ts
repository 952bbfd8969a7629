import { createHash } from 'node:crypto'
import { TooManyFailedLogins } from '../../platform/errors.ts'
import type { Logger } from '../../platform/log.ts'
import type { Authenticator } from './authenticate.ts'
import { clientNetwork } from './client-network.ts'
import type { Counter } from './count-per-minute.ts'

/** Entries per cache. A full cache is cleared. */
const MAX_CACHED_COUNT = 10_000

/**
 * Prevents guessing of tokens. When a network has sent too many invalid tokens within a minute, its
 * tokens are rejected unchecked until the minute is over. Tokens that this process has accepted
 * before still work, because a whole restaurant may share the address of one till with a stale
 * token.
 * @param count counts failed logins per network
 * @param clock in ms
 */
export function limitFailedLogins(
  authenticate: Authenticator,
  count: Counter,
  log: Logger,
  clock = () => performance.now(),
): Authenticator {
  /** end of the block in ms, by network */
  const blockedUntil = new Map<string, number>()
  /** hashes of accepted tokens */
  const knownGoodTokens = new Set<string>()

  function refuse(untilMs: number): never {
    throw new TooManyFailedLogins(Math.max(1, Math.ceil((untilMs - clock()) / 1_000)))
  }

  return async (token, address) => {
    const network = clientNetwork(address)
    const hash = createHash('sha256').update(token).digest('base64url')
    const until = blockedUntil.get(network) ?? 0
    if (until > clock() && !knownGoodTokens.has(hash)) refuse(until)
    const caller = await authenticate(token, address)
    if (caller) {
      if (knownGoodTokens.size >= MAX_CACHED_COUNT) knownGoodTokens.clear()
      knownGoodTokens.add(hash)
      return caller
    }
    knownGoodTokens.delete(hash)
    const { isRefused, seconds } = await count(network)
    if (!isRefused) return undefined
    if (blockedUntil.size >= MAX_CACHED_COUNT) blockedUntil.clear()
    if (until <= clock()) log.warn({ address, seconds }, 'address blocked after too many invalid tokens')
    blockedUntil.set(network, clock() + seconds * 1_000)
    refuse(clock() + seconds * 1_000)
  }
}
