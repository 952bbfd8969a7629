import { createHash } from 'node:crypto'
import { TooManyRequests } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'
import type { Authenticator } from './authenticate.ts'
import type { Counter } from './count-per-minute.ts'
import { networkOf } from './network-of.ts'

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
  const shutOut = new Map<string, number>()
  /** hashes of tokens */
  const letIn = new Set<string>()

  function refuse(untilMs: number): never {
    const seconds = Math.max(1, Math.ceil((untilMs - clock()) / 1_000))
    throw new TooManyRequests(
      'too-many-failed-logins',
      `Too many wrong tokens came from your address; go on in ${seconds} s`,
      seconds,
    )
  }

  return async (token, address) => {
    const network = networkOf(address)
    const hash = createHash('sha256').update(token).digest('base64url')
    const until = shutOut.get(network) ?? 0
    if (until > clock() && !letIn.has(hash)) refuse(until)
    const caller = await authenticate(token, address)
    if (caller) {
      if (letIn.size >= MAX_REMEMBERED_COUNT) letIn.clear()
      letIn.add(hash)
      return caller
    }
    letIn.delete(hash)
    const { isRefused, seconds } = await count(network)
    if (!isRefused) return undefined
    if (shutOut.size >= MAX_REMEMBERED_COUNT) shutOut.clear()
    if (until <= clock()) log.warn({ address, seconds }, 'an address is shut out: too many wrong tokens')
    shutOut.set(network, clock() + seconds * 1_000)
    refuse(clock() + seconds * 1_000)
  }
}
