import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { Menu } from '../support/pipeline.ts'
import type { Cluster } from './cluster.ts'

/** One request and its outcome. */
export interface Attempt {
  at: number
  kind: 'place' | 'cancel' | 'deliver'
  /** the order's `customer_id`: finds the order in the database when no response arrived */
  tag: string
  order_id: string | undefined
  /** HTTP status; 0 without a response */
  status: number
  ms: number
}

const REQUEST_TIMEOUT_MS = 20_000
/** Average pause of a client between two orders. */
const MEAN_PAUSE_MS = 300
const CLIENT_COUNT = 6

/**
 * Clients that place orders, and cancel or deliver some of them, until stopped. Every attempt is
 * recorded.
 */
export class Clients {
  readonly attempts: Attempt[] = []
  readonly #cluster: Cluster
  readonly #menu: Menu
  readonly #random: SeededRandom
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #stop = new AbortController()
  #running: Promise<void>[] = []
  #next = 0

  constructor(cluster: Cluster, menu: Menu, random: SeededRandom) {
    this.#cluster = cluster
    this.#menu = menu
    this.#random = random
  }

  start(): void {
    this.#running = Array.from({ length: CLIENT_COUNT }, () => this.#run())
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
    this.#agent.destroy()
  }

  /** Places one order. @returns the attempt, also when it failed */
  async place(menuItemId = this.#random.pick(this.#menu.menu_item_ids)): Promise<Attempt> {
    return await this.#place([menuItemId])
  }

  /** Places an order for one unit of every menu item. */
  async placeEverything(): Promise<Attempt> {
    return await this.#place(this.#menu.menu_item_ids)
  }

  async #place(menuItemIds: readonly string[]): Promise<Attempt> {
    const tag = randomUUID()
    const { restaurant_id } = this.#menu
    const items = menuItemIds.map(menu_item_id => ({ menu_item_id, quantity: 1 }))
    const body = { restaurant_id, items, customer_id: tag }
    return await this.#attempt('place', tag, undefined, 'POST', '/api/v1/orders', body)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await delay(this.#random.exponential(MEAN_PAUSE_MS), undefined, { signal: this.#stop.signal }).catch(
        () => undefined,
      )
      if (this.#stop.signal.aborted) return
      const { order_id, status } = await this.place()
      if (status !== 202 || !order_id) continue
      const chance = this.#random.fraction()
      if (chance < 0.25) await this.#cancel(order_id)
      else if (chance < 0.4) await this.#deliver(order_id)
    }
  }

  async #cancel(orderId: string): Promise<void> {
    await delay(this.#random.exponential(20))
    await this.#attempt('cancel', '', orderId, 'POST', `/api/v1/orders/${orderId}/cancel`, {
      reason: 'fault suite',
    })
  }

  async #deliver(orderId: string): Promise<void> {
    await delay(this.#random.exponential(150))
    await this.#attempt('deliver', '', orderId, 'PATCH', `/api/v1/orders/${orderId}/status`, {
      status: 'OUT_FOR_DELIVERY',
    })
  }

  async #attempt(
    kind: Attempt['kind'],
    tag: string,
    orderId: string | undefined,
    method: string,
    path: string,
    body: object,
  ): Promise<Attempt> {
    const at = Date.now()
    const { status, order_id } = await this.#send(method, path, body)
    const attempt = { at, kind, tag, order_id: orderId ?? order_id, status, ms: Date.now() - at }
    this.attempts.push(attempt)
    return attempt
  }

  /**
   * Sends to the next API in rotation, as a load balancer would, or to any API when none is in
   * rotation.
   */
  async #send(method: string, path: string, body: object): Promise<{ status: number; order_id?: string }> {
    const apis = this.#cluster.of('api')
    const ready = apis.filter(({ inRotation }) => inRotation)
    const pool = ready.length > 0 ? ready : apis
    const port = pool[this.#next++ % pool.length]?.port ?? 0
    const json = JSON.stringify(body)
    return await new Promise(done => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port,
          path,
          method,
          agent: this.#agent,
          timeout: REQUEST_TIMEOUT_MS,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) },
        },
        response => {
          let text = ''
          response.on('data', (chunk: Buffer) => (text += chunk.toString()))
          response.once('error', () => done({ status: 0 }))
          response.once('end', () => {
            const { order_id } = (text ? JSON.parse(text) : {}) as { order_id?: string }
            done({ status: response.statusCode ?? 0, ...(order_id ? { order_id } : {}) })
          })
        },
      )
      outgoing.once('timeout', () => outgoing.destroy(new Error('timeout')))
      outgoing.once('error', () => done({ status: 0 }))
      outgoing.end(json)
    })
  }
}
