import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { OrderReply } from '../../src/orders/order-contract.ts'
import { WebhookReceiver } from '../support/webhook-receiver.ts'

const CLIENT_COUNT = 4
const PAUSE_MS = 20
const CALL_TIMEOUT_MS = 10_000
const JSON_TYPE = 'application/json'

/** A request with its Idempotency-Key, and the order that it was answered with. */
export interface Placement {
  key: string
  order_id: string
}

export interface PlacementReply {
  status: number
  order_id: string
  /** the reply to an earlier request with the same key */
  isReplayed: boolean
}

/** Places an order for one unit of a menu item, with an Idempotency-Key. */
export async function placeWithKey(
  apiUrl: string,
  item: { restaurant_id: string; menu_item_id: string },
  key: string,
): Promise<PlacementReply> {
  const { restaurant_id, menu_item_id } = item
  const response = await fetch(`${apiUrl}/api/v1/orders`, {
    method: 'POST',
    headers: { 'content-type': JSON_TYPE, 'idempotency-key': key },
    body: JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] }),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  })
  const { order_id } = (await response.json()) as OrderReply
  const isReplayed = response.headers.get('idempotency-replayed') === 'true'
  return { status: response.status, order_id, isReplayed }
}

/** Clients that place orders until they are stopped, and note each one that was accepted. */
export class DrillClients {
  readonly accepted: Placement[] = []
  #isStopped = false
  readonly #running: Promise<unknown>

  constructor(apiUrl: string, item: { restaurant_id: string; menu_item_id: string }) {
    const run = async () => {
      while (!this.#isStopped) {
        const key = randomUUID()
        // The server may be killed meanwhile: the outcome of these requests is unknown.
        const reply = await placeWithKey(apiUrl, item, key).catch(() => undefined)
        if (reply?.status === 202) this.accepted.push({ key, order_id: reply.order_id })
        await delay(PAUSE_MS)
      }
    }
    this.#running = Promise.all(Array.from({ length: CLIENT_COUNT }, run))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }
}

/** An endpoint that accepts every event and notes its id. */
export class DrillReceiver {
  readonly eventIds = new Set<string>()
  readonly #server: WebhookReceiver

  private constructor(server: WebhookReceiver) {
    this.#server = server
  }

  static async start(): Promise<DrillReceiver> {
    const seen: ((id: string) => void)[] = []
    const server = await WebhookReceiver.start(({ body }) => {
      for (const see of seen) see((JSON.parse(body) as { id: string }).id)
      return 204
    })
    const receiver = new DrillReceiver(server)
    seen.push(id => void receiver.eventIds.add(id))
    return receiver
  }

  get url(): string {
    return this.#server.url
  }

  async stop(): Promise<void> {
    this.#server.closeConnections()
    await this.#server.stop()
  }
}

/** Returns the first event of a stream: a snapshot, or what the stream resumes with. */
export async function firstEvent(url: string, resumePoint?: string): Promise<{ event: string; id: string }> {
  const response = await fetch(url, {
    headers: resumePoint === undefined ? {} : { 'last-event-id': resumePoint },
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  })
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (/\ndata:.*\n\n/.test(text)) break
  }
  return { event: /event: ?(.*)/.exec(text)?.[1] ?? '', id: /(?:^|\n)id: ?(.*)/.exec(text)?.[1] ?? '' }
}
