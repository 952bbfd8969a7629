import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import type { CloudEvent } from '../../src/events/cloud-event.ts'

/** How a receiver takes what it is sent: at once; after a while; not at all; or nobody listens any more. */
export type Behaviour = 'good' | 'slow' | 'failing' | 'gone'

const SLOW_MS = 2_000

/** Somebody who has a webhook: verifies what comes, and remembers what came first of each event, and when. */
export class WebhookReceiver {
  readonly behaviour: Behaviour
  url = ''
  /** when each event came first, by its id, in ms of the wall clock: the database's on the same machine */
  readonly arrivals = new Map<string, number>()
  /** what came again, known by its webhook-id */
  repeated = 0
  /** refused, while it fails */
  refused = 0
  /** what a good receiver never sees, in a line each */
  readonly wrongs: string[] = []
  onEvent: (event: CloudEvent) => void = () => undefined
  readonly #deliveries = new Set<string>()
  /** of each order, the sequence of what came last */
  readonly #sequences = new Map<string, number>()
  readonly #server: Server
  #webhook: Webhook | undefined
  #isMended = false

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.#server = createServer((request, response) => {
      void (async () => {
        const status = this.#take(request.headers, await text(request))
        if (this.behaviour === 'slow' && !this.#isMended) await delay(SLOW_MS)
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

  /** @param secret of its webhook */
  trust(secret: string): void {
    this.#webhook = new Webhook(secret)
  }

  /** From now on it takes everything at once, like a good one. */
  mend(): void {
    this.#isMended = true
  }

  /** Nobody listens here any more. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    await new Promise(done => this.#server.close(done))
  }

  /** @returns the status to answer */
  #take(headers: IncomingHttpHeaders, body: string): number {
    if (this.behaviour === 'failing' && !this.#isMended) {
      this.refused++
      return 503
    }
    const at = Date.now()
    const id = String(headers['webhook-id'])
    let event: CloudEvent
    try {
      event = this.#webhook?.verify(body, headers as Record<string, string>) as CloudEvent
    } catch (error) {
      this.wrongs.push(`${id} is not signed as it should be: ${String(error)}`)
      return 401
    }
    if (this.#deliveries.has(id)) {
      this.repeated++
      return 204
    }
    this.#deliveries.add(id)
    this.#note(event, at)
    return 204
  }

  #note(event: CloudEvent, at: number): void {
    const { id, subject, sequence = '0' } = event
    if (this.arrivals.has(id)) this.wrongs.push(`event ${id} came under two webhook-ids`)
    const last = this.#sequences.get(subject) ?? 0
    if (Number(sequence) <= last) this.wrongs.push(`${subject}: ${sequence} came behind ${last}`)
    this.#sequences.set(subject, Math.max(last, Number(sequence)))
    this.arrivals.set(id, at)
    this.onEvent(event)
  }
}
