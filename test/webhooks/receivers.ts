import { Webhook } from 'standardwebhooks'
import {
  type Answer,
  type Delivery,
  verifyDelivery,
  WebhookReceiver,
} from '../../scripts/support/webhook-receiver.ts'
import type { CloudEvent } from '../../src/events/cloud-event.ts'

/** A delivery attempt that a receiver has received. */
export interface Received extends Delivery {
  event: CloudEvent
}

/** A webhook endpoint on 127.0.0.1 that records the deliveries it receives. */
export class Receiver {
  readonly received: Received[] = []
  answer: (received: Received) => Answer | Promise<Answer> = () => 204
  #receiver!: WebhookReceiver

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    receiver.#receiver = await WebhookReceiver.start(async delivery => {
      const received = { ...delivery, event: JSON.parse(delivery.body) as CloudEvent }
      receiver.received.push(received)
      return await receiver.answer(received)
    })
    return receiver
  }

  get url(): string {
    return this.#receiver.url
  }

  /** connections opened so far */
  get connections(): number {
    return this.#receiver.connectionCount
  }

  /** Returns the event types received for an order, in order of arrival. */
  typesOf(orderId: string): string[] {
    return this.received
      .filter(({ event }) => event.subject === `orders/${orderId}`)
      .map(({ event }) => event.type)
  }

  /** Closes all connections, also those with a request in progress. */
  breakOff(): void {
    this.#receiver.closeConnections()
  }

  async stop(): Promise<void> {
    const stopped = this.#receiver.stop()
    this.#receiver.closeConnections()
    await stopped
  }
}

/** @throws when the delivery has no valid signature of this secret */
export function verify(secret: string, received: Received): CloudEvent {
  return verifyDelivery(new Webhook(secret), received)
}
