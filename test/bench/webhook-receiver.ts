import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import type { CloudEvent } from '../../src/events/cloud-event.ts'

/**
 * Good: accepts at once. Slow: accepts after 2 s. Failing: responds 503. Gone: has stopped
 * listening.
 */
export type Behaviour = 'good' | 'slow' | 'failing' | 'gone'

const SLOW_MS = 2_000

/** The endpoint of a webhook: verifies each delivery, and records when each event first arrived. */
export class WebhookReceiver {
  readonly behaviour: Behaviour
  url = ''
  /**
   * first arrival of each event by id, in ms since the epoch: the clock that the database uses, too
   */
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
  readonly #server: Server
  #webhook: Webhook | undefined
  #isFixed = false

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.#server = createServer((request, response) => {
      void (async () => {
        const status = this.#receive(request.headers, await text(request))
        if (this.behaviour === 'slow' && !this.#isFixed) await delay(SLOW_MS)
        response.writeHead(status).end()
      })().catch(() => request.destroy())
    })
  }

  static async start(behaviour: Behaviour): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(behaviour)
    await new Promise<void>(done => receiver.#server.listen(0, '127.0.0.1', done))
    receiver.url = `http://127.0.0.1:${(receiver.#server.address() as AddressInfo).port}/hooks`
    return receiver
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
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    await new Promise(done => this.#server.close(done))
  }

  /** @returns the status of the response */
  #receive(headers: IncomingHttpHeaders, body: string): number {
    if (this.behaviour === 'failing' && !this.#isFixed) {
      this.refused++
      return 503
    }
    const at = Date.now()
    const id = String(headers['webhook-id'])
    let event: CloudEvent
    try {
      event = this.#webhook?.verify(body, headers as Record<string, string>) as CloudEvent
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
