import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Webhook } from 'standardwebhooks'
import type { CloudEvent } from '../../src/events/cloud-event.ts'

/** The request of one delivery attempt. */
export interface Delivery {
  /** the header `webhook-id`, the same for all attempts of a delivery */
  id: string
  headers: IncomingHttpHeaders
  body: string
}

/**
 * The response to a delivery: a status, with headers and a body if needed. Undefined: none, ever.
 */
export type Answer = number | { status: number; headers?: OutgoingHttpHeaders; body?: string } | undefined

/** An HTTP server on 127.0.0.1 that receives webhook deliveries. */
export class WebhookReceiver {
  /** connections opened so far */
  connectionCount = 0
  readonly #server: Server

  private constructor(answer: (delivery: Delivery) => Answer | Promise<Answer>) {
    this.#server = createServer((request, response) => {
      void (async () => {
        const { headers, method } = request
        const delivery = { id: String(headers['webhook-id']), headers, body: await text(request) }
        const answered = method === 'POST' ? await answer(delivery) : 405
        if (answered === undefined) return
        const full = typeof answered === 'number' ? { status: answered } : answered
        response.writeHead(full.status, full.headers).end(full.body)
      })().catch(() => request.destroy())
    })
    this.#server.on('connection', () => this.connectionCount++)
  }

  /**
   * Starts a receiver that responds to each delivery with what `answer` returns.
   * @param port TCP port; 0 chooses a free one
   */
  static async start(
    answer: (delivery: Delivery) => Answer | Promise<Answer>,
    port = 0,
  ): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(answer)
    await new Promise<void>((done, fail) => {
      receiver.#server.once('error', fail).listen(port, '127.0.0.1', done)
    })
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`
  }

  /** Closes all connections, also those with a request in progress. */
  closeConnections(): void {
    this.#server.closeAllConnections()
  }

  /** Stops listening. Resolves when all connections are closed. */
  async stop(): Promise<void> {
    if (this.#server.listening) await new Promise(done => this.#server.close(done))
  }
}

/**
 * Returns the event of a delivery.
 * @throws when the delivery has no valid signature of the webhook's secret, or is too old
 */
export function verifyDelivery(webhook: Webhook, { headers, body }: Delivery): CloudEvent {
  return webhook.verify(body, headers as Record<string, string>) as CloudEvent
}
