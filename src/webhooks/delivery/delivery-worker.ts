import type { Agent } from 'undici'
import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listener.ts'
import { countDeadLetter } from '../../jobs/job-metrics.ts'
import type { Logger } from '../../platform/log.ts'
import { PollLoop } from '../../platform/poll-loop.ts'
import { DELIVERIES, DELIVERIES_CHANNEL, DISCARD } from '../deliveries.ts'
import { validateWebhookUrl } from '../webhook-url.ts'
import { bodyOf } from './body-of.ts'
import {
  claimDeliveries,
  extendLeases,
  LEASE_SECONDS,
  type LeasedDelivery,
  returnDeliveries,
} from './claim-deliveries.ts'
import { type DeliveryOutcome, decideOutcome, decideUnsent } from './decide-outcome.ts'
import { discardPending } from './discard-pending.ts'
import { InFlightDeliveries } from './in-flight-deliveries.ts'
import { logAttempt } from './log-attempt.ts'
import { OutcomeBatcher } from './outcome-batcher.ts'
import type { RecordedOutcomes } from './record-outcomes.ts'
import { sendDelivery, unsent } from './send.ts'
import { ssrfGuardedAgent } from './ssrf-guard.ts'
import { traceAttempt } from './trace-attempt.ts'

export interface DeliveryWorkerOptions {
  database: Database
  /** source of the CloudEvents */
  publicUrl: string
  /** development: webhooks may lead to private addresses, and over plain `http` */
  allowPrivate: boolean
  /** wait after each failed attempt */
  retrySeconds: readonly number[]
  log: Logger
}

/** Deliveries leased by one statement. */
const CLAIM_COUNT = 200
/** Longest delay of a delivery that has become due, or whose wake-up was lost. */
const POLL_MS = 1_000
/** Shortest interval between two claims, so that each leases several deliveries under load. */
const CLAIM_INTERVAL_MS = 10
/** Longest delay of the discarding of pending deliveries when its wake-up was lost. */
const DISCARD_POLL_MS = 5_000
/** Interval at which leases are extended. Most deliveries are finished before the first time. */
const EXTEND_MS = 3_000
/** Age at which a lease that could not be extended counts as lost. */
const LOST_MS = LEASE_SECONDS * 1_000 - 1_000
/** Open connections to one origin. */
const CONNECTION_COUNT = 10

/**
 * Sends deliveries to webhooks. It leases only what it sends at once, so that the rest is free for
 * other workers, and an endpoint that does not respond occupies only its own capacity.
 */
export class DeliveryWorker {
  readonly #options: DeliveryWorkerOptions
  readonly #inFlight = new InFlightDeliveries()
  readonly #outcomes: OutcomeBatcher
  readonly #claimLoop: PollLoop
  readonly #discardLoop: PollLoop
  readonly #extendLoop: PollLoop
  #agent: Agent | undefined
  #listener: Listener | undefined
  #abort = new AbortController()
  /** the latest claim left due deliveries for which there was no capacity */
  #hasBacklog = false
  #isStarted = false
  #isStopping = false
  #stopped: Promise<void> | undefined

  constructor(options: DeliveryWorkerOptions) {
    this.#options = options
    const { database, log } = options
    const warn = (text: string) => (error: unknown) => log.warn({ error: String(error) }, `${text}; retrying`)
    this.#claimLoop = new PollLoop({
      run: () => this.#claim(),
      intervalMs: POLL_MS,
      minIntervalMs: CLAIM_INTERVAL_MS,
      onError: warn('deliveries could not be leased'),
    })
    this.#discardLoop = new PollLoop({
      run: () => database.transaction(discardPending),
      intervalMs: DISCARD_POLL_MS,
      onError: warn('deliveries of disabled webhooks could not be discarded'),
    })
    this.#extendLoop = new PollLoop({
      run: () => this.#extendLeases(),
      intervalMs: EXTEND_MS,
      onError: warn('leases of deliveries could not be extended'),
    })
    this.#outcomes = new OutcomeBatcher({
      database,
      log,
      isStopping: () => this.#isStopping,
      onRecorded: (batch, recorded) => this.#onRecorded(batch, recorded),
    })
  }

  async start(): Promise<void> {
    const { database, allowPrivate } = this.#options
    await this.#stopped
    this.#isStopping = false
    this.#abort = new AbortController()
    this.#agent = ssrfGuardedAgent({ allowPrivate, connections: CONNECTION_COUNT })
    const onNotification = (payload: string) =>
      payload === DISCARD ? this.#discardLoop.wake() : this.#claimLoop.wake()
    const onConnect = () => {
      this.#discardLoop.wake()
      this.#claimLoop.wake()
    }
    this.#listener = await database.listen(DELIVERIES_CHANNEL, onNotification, onConnect)
    this.#claimLoop.start()
    this.#discardLoop.start(DISCARD_POLL_MS)
    this.#extendLoop.start(EXTEND_MS)
    this.#isStarted = true
  }

  /** Returns whether the worker leases deliveries, if there are any. */
  isWorking(): boolean {
    return this.#isStarted && !this.#isStopping
  }

  /** Returns the number of deliveries that this worker has leased. */
  inFlight(): number {
    return this.#inFlight.size
  }

  /** Waits for requests in flight for at most `timeoutMs`, then aborts and returns the rest. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs).finally(() => {
      this.#stopped = undefined
    })
    await this.#stopped
  }

  async #stop(timeoutMs: number): Promise<void> {
    if (!this.#isStarted) return
    this.#isStopping = true
    const stopped = Promise.all([this.#claimLoop.stop(), this.#discardLoop.stop()])
    await this.#listener?.close()
    await stopped
    const timer = setTimeout(() => this.#abort.abort(), timeoutMs)
    await this.#inFlight.untilIdle()
    clearTimeout(timer)
    await this.#outcomes.untilIdle()
    await this.#extendLoop.stop()
    await this.#return(this.#inFlight.all().map(({ delivery }) => delivery))
    await this.#agent?.destroy()
    this.#isStarted = false
  }

  /** Leases deliveries and begins to send them. @returns whether to claim again at once */
  async #claim(): Promise<boolean> {
    const since = performance.now()
    const { byWebhook, perWebhook, free } = this.#inFlight
    const total = Math.min(CLAIM_COUNT, free)
    this.#hasBacklog = true
    if (total <= 0) return false
    const claim = await claimDeliveries(this.#options.database, { inFlight: byWebhook, perWebhook, total })
    this.#hasBacklog = claim.isFull
    if (this.#isStopping) await this.#return(claim.deliveries)
    // After a long pause of the process, other workers may have these deliveries.
    else if (performance.now() - since < LOST_MS)
      for (const delivery of claim.deliveries) this.#begin(delivery, since)
    return claim.hasBlocked
  }

  #begin(delivery: LeasedDelivery, since: number): void {
    const outcome = decideUnsent(delivery)
    if (outcome) this.#outcomes.add({ delivery, outcome })
    else void this.#attempt(delivery, since)
  }

  async #attempt(delivery: LeasedDelivery, since: number): Promise<void> {
    const { publicUrl, allowPrivate, retrySeconds, log } = this.#options
    const { delivery_id, url, secrets } = delivery
    this.#inFlight.add({ delivery, since })
    const invalid = validateWebhookUrl(url, allowPrivate)
    const traced = traceAttempt(delivery)
    const { traceparent } = traced
    const envelope = { delivery_id, url, secrets, body: bodyOf(delivery, publicUrl), traceparent }
    const sent =
      invalid === undefined && this.#agent
        ? await sendDelivery(this.#agent, envelope, this.#abort.signal)
        : unsent(`the URL ${invalid}`)
    traced.end(sent)
    this.#inFlight.answered(delivery)
    // An attempt that was aborted by stop() is no failure: the delivery is returned.
    if (sent.status === null && this.#abort.signal.aborted) return
    const outcome = decideOutcome(delivery, sent, retrySeconds, Math.random())
    logAttempt(delivery, sent, outcome, log)
    this.#outcomes.add({ delivery, outcome, sent })
    if (this.#hasBacklog) this.#claimLoop.wake()
  }

  #onRecorded(batch: readonly DeliveryOutcome[], { disabled, released }: RecordedOutcomes): void {
    const { log } = this.#options
    for (const { delivery, outcome } of batch) {
      this.#inFlight.release(delivery)
      if (outcome.state !== 'DEAD') continue
      const { delivery_id, webhook_id, event_id } = delivery
      countDeadLetter(DELIVERIES)
      log.error({ delivery_id, webhook_id, event_id }, 'dead letter: a delivery used up its attempts')
    }
    for (const webhook_id of disabled) log.error({ webhook_id }, 'webhook disabled')
    if (disabled.length > 0) this.#discardLoop.wake()
    if (released > 0) this.#claimLoop.wake()
  }

  async #extendLeases(): Promise<void> {
    const before = performance.now()
    const aged = this.#inFlight.all().filter(({ since }) => before - since >= EXTEND_MS)
    if (aged.length === 0) return
    const extended = await extendLeases(
      this.#options.database,
      aged.map(({ delivery }) => delivery),
    )
    for (const held of aged) if (extended.has(held.delivery.delivery_id)) held.since = before
  }

  async #return(deliveries: readonly LeasedDelivery[]): Promise<void> {
    if (deliveries.length === 0) return
    try {
      await returnDeliveries(this.#options.database, deliveries)
    } catch (error) {
      this.#options.log.warn(
        { error: String(error) },
        `deliveries could not be returned; other workers send them after ${LEASE_SECONDS} s`,
      )
    }
  }
}
