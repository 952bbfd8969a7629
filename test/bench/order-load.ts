import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from '../../scripts/support/api.ts'
import { runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import type { CloudEvent } from '../../src/events/cloud-event.ts'
import type { Menu } from './limit.ts'

const ARRIVALS_SEED = 1
const POLL_MS = 100

/** Orders that are placed, and moved on when it is heard that they are ready. */
export class OrderLoad {
  /** so far */
  placed = 0
  /** calls that were refused or not answered, in a line each */
  readonly wrongs: string[] = []
  readonly #api: Api
  readonly #menu: Menu
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(api: Api, menu: Menu) {
    this.#api = api
    this.#menu = menu
  }

  /** Places so many at random moments. Resolves when all are answered. */
  async placeAll(count: number, perSecond: number): Promise<void> {
    const random = new SeededRandom(ARRIVALS_SEED, 'arrivals')
    let at = 0
    const times = Array.from({ length: count }, () => (at += random.exponential(1_000 / perSecond)))
    await runArrivals(times, new AbortController().signal, () => {
      this.#follow(this.#place(random.pick(this.#menu.menu_item_ids)))
    })
    await Promise.all(this.#underWay)
  }

  /** Resolves when so many have been placed, or the time is up. */
  async untilPlaced(count: number, timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (this.placed < count && Date.now() < deadline && this.wrongs.length === 0) await delay(POLL_MS)
  }

  /** Sends out what is ready, and has delivered what was sent out. @param event that it hears of */
  moveOn({ type, data }: CloudEvent): void {
    if (!('order_id' in data)) return
    if (type === 'order.status.preparing.v1')
      this.#follow(this.#api.changeStatus(data.order_id, 'OUT_FOR_DELIVERY'))
    if (type === 'order.status.out_for_delivery.v1')
      this.#follow(this.#api.changeStatus(data.order_id, 'DELIVERED'))
  }

  async #place(menu_item_id: string): Promise<void> {
    const { restaurant_id } = this.#menu
    await this.#api.placeOrder({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
    this.placed++
  }

  /** What goes wrong with a call is told at the end. */
  #follow(call: Promise<unknown>): void {
    const ended: Promise<unknown> = call
      .catch((error: unknown) => void this.wrongs.push(String(error)))
      .finally(() => this.#underWay.delete(ended))
    this.#underWay.add(ended)
  }
}
