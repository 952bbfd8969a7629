import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { Latencies } from '../../scripts/support/latencies.ts'

const POLL_MS = 10
/** An order that is not PREPARING after so long is reported as missing. */
const TIMEOUT_MS = 60_000

/** Polls the database every 10 ms, in a session of its own, until each order is PREPARING. */
export class PreparingWatch {
  /** from the POST to the poll that finds the order PREPARING */
  readonly latencies = new Latencies()
  readonly #client: pg.Client
  /** when each order was sent, by order id */
  readonly #sentAt = new Map<string, number>()
  #isEnding = false
  #ended: Promise<void> | undefined

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async start(url: string): Promise<PreparingWatch> {
    const client = new pg.Client({ connectionString: url, application_name: 'comanda bench' })
    client.on('error', () => undefined)
    await client.connect()
    const watch = new PreparingWatch(client)
    watch.#ended = watch.#poll()
    return watch
  }

  /** @param sentAt on the clock of `performance.now()` */
  add(orderId: string, sentAt: number): void {
    this.#sentAt.set(orderId, sentAt)
  }

  /** Resolves when all orders are PREPARING. @returns the number of orders that are not */
  async end(): Promise<number> {
    this.#isEnding = true
    await this.#ended
    await this.#client.end()
    return this.#sentAt.size
  }

  async #poll(): Promise<void> {
    let deadline = Number.POSITIVE_INFINITY
    let next = performance.now()
    while (!this.#isEnding || (this.#sentAt.size > 0 && performance.now() < deadline)) {
      if (this.#isEnding) deadline = Math.min(deadline, performance.now() + TIMEOUT_MS)
      next = Math.max(next + POLL_MS, performance.now())
      await delay(Math.max(0, next - performance.now()))
      if (this.#sentAt.size > 0) await this.#find()
    }
  }

  async #find(): Promise<void> {
    const { rows } = await this.#client.query<{ order_id: string }>({
      name: 'preparing',
      text: `select order_id from orders where order_id = any($1::uuid[]) and status = 'PREPARING'`,
      values: [[...this.#sentAt.keys()]],
    })
    const seenAt = performance.now()
    for (const { order_id } of rows) {
      this.latencies.record(seenAt - (this.#sentAt.get(order_id) ?? seenAt))
      this.#sentAt.delete(order_id)
    }
  }
}
