import { createHash } from 'node:crypto'
import { TooManyFailedLogins } from '../../platform/errors.ts'
import type { Logger } from '../../platform/log.ts'
import type { Authenticator } from './authenticate.ts'
import { clientNetwork } from './client-network.ts'
import type { Counter } from './count-per-minute.ts'

/** Networks, and tokens, that a process keeps in mind. */
const MAX_REMEMBERED_COUNT = 10_000

/**
 * Lets nobody guess: from an address that has sent too many wrong tokens in a minute, no further one is looked at until the
 * minute is over, right or wrong. Those that this process has let in before are: behind one address there may be a whole
 * restaurant, of which one till has a stale token.
 * @param count of failures; over its limit, the address is shut out
 * @param clock ms since whenever
 */
export function limitFailedLogins(
  authenticate: Authenticator,
  count: Counter,
  log: Logger,
  clock: () => number = Date.now,
): Authenticator {
  /** by network, until when */
  const blockedUntil = new Map<string, number>()
  /** hashes of tokens */
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
      if (knownGoodTokens.size >= MAX_REMEMBERED_COUNT) knownGoodTokens.clear()
      knownGoodTokens.add(hash)
      return caller
    }
    knownGoodTokens.delete(hash)
    const { isRefused, seconds } = await count(network)
    if (!isRefused) return undefined
    if (blockedUntil.size >= MAX_REMEMBERED_COUNT) blockedUntil.clear()
    if (until <= clock()) log.warn({ address, seconds }, 'an address is shut out: too many wrong tokens')
    blockedUntil.set(network, clock() + seconds * 1_000)
    refuse(clock() + seconds * 1_000)
  }
}
