import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from '../../scripts/support/api.ts'
import { runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { CloudEvent } from '../../src/events/cloud-event.ts'
import type { Menu } from '../support/pipeline.ts'

const ARRIVALS_SEED = 1
const POLL_MS = 100

/** Places orders, and moves them on to DELIVERED as their events arrive. */
export class OrderLoad {
  /** orders placed so far */
  placed = 0
  /** calls that were refused or got no response, one line each */
  readonly failures: string[] = []
  readonly #api: Api
  readonly #menu: Menu
  readonly #pending = new Set<Promise<unknown>>()

  constructor(api: Api, menu: Menu) {
    this.#api = api
    this.#menu = menu
  }

  /** Places `count` orders at random moments. Resolves when every call has ended. */
  async placeAll(count: number, perSecond: number): Promise<void> {
    const random = new SeededRandom(ARRIVALS_SEED, 'arrivals')
    let at = 0
    const times = Array.from({ length: count }, () => (at += random.exponential(1_000 / perSecond)))
    await runArrivals(times, new AbortController().signal, () => {
      this.#track(this.#place(random.pick(this.#menu.menu_item_ids)))
    })
    await Promise.all(this.#pending)
  }

  /**
   * Resolves when `count` orders have been placed, when a call has failed, or after `timeoutMs`.
   */
  async untilPlaced(count: number, timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (this.placed < count && Date.now() < deadline && this.failures.length === 0) await delay(POLL_MS)
  }

  /** Moves an order on when its event says PREPARING or OUT_FOR_DELIVERY. */
  moveOn({ type, data }: CloudEvent): void {
    if (!('order_id' in data)) return
    if (type === 'order.status.preparing.v1')
      this.#track(this.#api.changeStatus(data.order_id, 'OUT_FOR_DELIVERY'))
    if (type === 'order.status.out_for_delivery.v1')
      this.#track(this.#api.changeStatus(data.order_id, 'DELIVERED'))
  }

  async #place(menu_item_id: string): Promise<void> {
    const { restaurant_id } = this.#menu
    await this.#api.placeOrder({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
    this.placed++
  }

  /** Records a failed call in {@link failures} instead of throwing. */
  #track(call: Promise<unknown>): void {
    const ended: Promise<unknown> = call
      .catch((error: unknown) => void this.failures.push(String(error)))
      .finally(() => this.#pending.delete(ended))
    this.#pending.add(ended)
  }
}
