import type { LeasedDelivery } from './claim-deliveries.ts'

/** A delivery that this worker is sending, or whose outcome is not recorded yet. */
export interface HeldDelivery {
  delivery: LeasedDelivery
  /** when the lease was last known to be this worker's, by `performance.now()` */
  since: number
}

/** Requests in flight to one webhook. */
const WEBHOOK_COUNT = 10
/** Requests in flight to all webhooks. */
const TOTAL_COUNT = 2_000
/** A webhook may have one request in flight per this many that are free. */
const FREE_PER_REQUEST = 100

/** The deliveries of this worker, and its capacity for more. Does no I/O. */
export class InFlightDeliveries {
  readonly #held = new Map<string, HeldDelivery>()
  readonly #byWebhook = new Map<string, number>()
  #inFlight = 0
  #whenIdle: (() => void) | undefined

  get size(): number {
    return this.#held.size
  }

  /** Requests in flight by webhook. */
  get byWebhook(): ReadonlyMap<string, number> {
    return this.#byWebhook
  }

  /** How many more requests may be in flight. */
  get free(): number {
    return TOTAL_COUNT - this.#inFlight
  }

  /**
   * Maximum requests in flight per webhook. It falls when the worker's capacity runs out, so that
   * endpoints that do not respond cannot use all of it.
   */
  get perWebhook(): number {
    return Math.min(WEBHOOK_COUNT, Math.ceil(this.free / FREE_PER_REQUEST))
  }

  all(): HeldDelivery[] {
    return [...this.#held.values()]
  }

  /** Adds a delivery whose request begins now. */
  add(held: HeldDelivery): void {
    const { lease_id, delivery_id, webhook_id } = held.delivery
    this.#held.set(lease_id + delivery_id, held)
    this.#inFlight++
    this.#byWebhook.set(webhook_id, (this.#byWebhook.get(webhook_id) ?? 0) + 1)
  }

  /** The request has ended: another may begin. The delivery is held until {@link release}. */
  answered({ webhook_id }: LeasedDelivery): void {
    const left = (this.#byWebhook.get(webhook_id) ?? 0) - 1
    if (left > 0) this.#byWebhook.set(webhook_id, left)
    else this.#byWebhook.delete(webhook_id)
    if (--this.#inFlight === 0) this.#whenIdle?.()
  }

  /** The outcome is recorded, or the lease is lost. */
  release({ lease_id, delivery_id }: LeasedDelivery): void {
    this.#held.delete(lease_id + delivery_id)
  }

  /** Resolves when no request is in flight. */
  async untilIdle(): Promise<void> {
    if (this.#inFlight === 0) return
    await new Promise<void>(done => {
      this.#whenIdle = done
    })
    this.#whenIdle = undefined
  }
}
