import { TEST_EVENT } from '../deliveries.ts'
import { secondsUntilRetry } from './backoff.ts'
import type { LeasedDelivery } from './claim-deliveries.ts'
import { WEBHOOK_DELETED, WEBHOOK_DISABLED } from './discard-pending.ts'
import { failureOf, type Sent } from './send.ts'

/** Attempts after which a delivery is dead: in about three days, with the default waits. */
export const ATTEMPT_COUNT = 10
const GONE_STATUS = 410

/** The next state of a delivery. PENDING: it is retried. */
export type Outcome =
  | { state: 'DELIVERED' }
  | { state: 'PENDING'; afterSeconds: number }
  | { state: 'DEAD'; error: string }
  | { state: 'DISCARDED'; reason: string; isGone?: boolean }

/** A leased delivery with its next state. */
export interface DeliveryOutcome {
  delivery: LeasedDelivery
  outcome: Outcome
  /** undefined: no request was sent */
  sent?: Sent | undefined
}

/** Decides whether a leased delivery is not to be sent. Pure. @returns undefined: it is sent */
export function decideUnsent(delivery: LeasedDelivery): Outcome | undefined {
  const { webhook_status, requested, payload, type, tries } = delivery
  if (webhook_status === 'DELETED') return { state: 'DISCARDED', reason: WEBHOOK_DELETED }
  if (webhook_status === 'DISABLED' && !requested) return { state: 'DISCARDED', reason: WEBHOOK_DISABLED }
  if (payload === null && type !== TEST_EVENT)
    return { state: 'DISCARDED', reason: 'the event is no longer kept' }
  if (tries > ATTEMPT_COUNT) return { state: 'DEAD', error: 'the worker crashed during the last attempt' }
  return undefined
}

/**
 * Decides the outcome of an attempt. Pure.
 * @param retrySeconds wait after each failed attempt
 * @param random 0..1, for the jitter of the wait
 */
export function decideOutcome(
  { type, webhook_status, tries }: LeasedDelivery,
  sent: Sent,
  retrySeconds: readonly number[],
  random: number,
): Outcome {
  const failure = failureOf(sent)
  if (failure === undefined) return { state: 'DELIVERED' }
  if (sent.status === GONE_STATUS)
    return { state: 'DISCARDED', reason: 'the receiver answered 410: it is gone', isGone: true }
  const isSentOnce = type === TEST_EVENT || webhook_status !== 'ACTIVE'
  if (isSentOnce) return { state: 'DISCARDED', reason: `sent once: ${failure}` }
  if (tries >= ATTEMPT_COUNT) return { state: 'DEAD', error: failure }
  return { state: 'PENDING', afterSeconds: secondsUntilRetry(retrySeconds, tries - 1, random) }
}
