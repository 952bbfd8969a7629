import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import type { CloudEvent } from '../../src/events/cloud-event.ts'

/** A request that a receiver has received. */
export interface Received {
  id: string
  headers: IncomingMessage['headers']
  body: string
  event: CloudEvent
}

/** A response of a receiver: a status, alone or with headers and body; undefined: no response. */
export type Answer = number | { status: number; headers?: Record<string, string>; body?: string } | undefined

/** A webhook endpoint on 127.0.0.1 that records the requests it receives. */
export class Receiver {
  readonly received: Received[] = []
  answer: (received: Received) => Answer | Promise<Answer> = () => 204
  connections = 0
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      void (async () => {
        const body = await text(request)
        const event = JSON.parse(body) as CloudEvent
        const received = { id: String(request.headers['webhook-id']), headers: request.headers, body, event }
        this.received.push(received)
        const answer = await this.answer(received)
        if (answer === undefined) return
        const {
          status,
          headers = {},
          body: responseBody = '',
        } = typeof answer === 'number' ? { status: answer } : answer
        response.writeHead(status, headers).end(responseBody)
      })()
    })
    this.#server.on('connection', () => this.connections++)
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    await new Promise<void>(done => receiver.#server.listen(0, '127.0.0.1', done))
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`
  }

  /** Returns the event types received for an order, in order of arrival. */
  typesOf(orderId: string): string[] {
    return this.received
      .filter(({ event }) => event.subject === `orders/${orderId}`)
      .map(({ event }) => event.type)
  }

  /** Closes all connections, also those with a request in progress. */
  breakOff(): void {
    this.#server.closeAllConnections()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(done => this.#server.close(done))
  }
}

/** Verifies the signature of a request. @throws when it was not made with this secret */
export function verify(secret: string, { body, headers }: Received): unknown {
  return new Webhook(secret).verify(body, headers as Record<string, string>)
}
