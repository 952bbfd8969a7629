import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { type Delivery, verifyDelivery, WebhookReceiver } from '../../scripts/support/webhook-receiver.ts'
import type { CloudEvent } from '../../src/events/cloud-event.ts'

/** Good: accepts at once. Slow: after 2 s. Failing: responds 503. Gone: has stopped listening. */
export type Behaviour = 'good' | 'slow' | 'failing' | 'gone'

const SLOW_MS = 2_000

/** The endpoint of a webhook: verifies each delivery, and records when each event first arrived. */
export class VerifyingReceiver {
  readonly behaviour: Behaviour
  url = ''
  /** first arrival of each event by id, in ms since the epoch, by the clock of the database */
  readonly arrivals = new Map<string, number>()
  /** deliveries that arrived again, with the same `webhook-id` */
  repeated = 0
  /** deliveries refused while failing */
  refused = 0
  /** bad signatures, duplicate events and events out of order, one line each */
  readonly failures: string[] = []
  onEvent: (event: CloudEvent) => void = () => undefined
  readonly #deliveries = new Set<string>()
  /** highest sequence received per order */
  readonly #sequences = new Map<string, number>()
  #receiver: WebhookReceiver | undefined
  #webhook: Webhook | undefined
  #isFixed = false

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
  }

  static async start(behaviour: Behaviour): Promise<VerifyingReceiver> {
    const verifying = new VerifyingReceiver(behaviour)
    const receiver = await WebhookReceiver.start(async delivery => {
      const status = verifying.#receive(delivery)
      if (behaviour === 'slow' && !verifying.#isFixed) await delay(SLOW_MS)
      return status
    })
    verifying.#receiver = receiver
    verifying.url = receiver.url
    return verifying
  }

  /** Verifies signatures with this secret of the webhook. */
  trust(secret: string): void {
    this.#webhook = new Webhook(secret)
  }

  /** Makes a slow or failing receiver accept everything at once. */
  fix(): void {
    this.#isFixed = true
  }

  /** Stops listening and closes all connections. */
  async stop(): Promise<void> {
    const stopped = this.#receiver?.stop()
    this.#receiver?.closeConnections()
    await stopped
  }

  /** @returns the status of the response */
  #receive(delivery: Delivery): number {
    if (this.behaviour === 'failing' && !this.#isFixed) {
      this.refused++
      return 503
    }
    const at = Date.now()
    const { id } = delivery
    let event: CloudEvent
    try {
      if (!this.#webhook) throw new Error('the secret is not known yet')
      event = verifyDelivery(this.#webhook, delivery)
    } catch (error) {
      this.failures.push(`${id} has no valid signature: ${String(error)}`)
      return 401
    }
    if (this.#deliveries.has(id)) {
      this.repeated++
      return 204
    }
    this.#deliveries.add(id)
    this.#record(event, at)
    return 204
  }

  #record(event: CloudEvent, at: number): void {
    const { id, subject, sequence = '0' } = event
    if (this.arrivals.has(id)) this.failures.push(`event ${id} arrived under two webhook-ids`)
    const last = this.#sequences.get(subject) ?? 0
    if (Number(sequence) <= last) this.failures.push(`${subject}: ${sequence} arrived after ${last}`)
    this.#sequences.set(subject, Math.max(last, Number(sequence)))
    this.arrivals.set(id, at)
    this.onEvent(event)
  }
}
