import type { Answer, Api, Call } from '../../pages/browser/api.ts'
import type { ServerClock } from '../../pages/browser/clock.ts'
import type { MenuItem } from './api-types.ts'

/** Several events in a row cause one reading. */
const PAUSE_MS = 250
const RETRY_MS = 5_000
const MAX_PAGE_COUNT = 20

/** The menu with its stock, which is read again after each event that may have changed it. */
export class Stock {
  items: readonly MenuItem[] = []
  /** server time of the last reading; undefined: not read yet */
  asOfMs: number | undefined
  /** why the last reading failed */
  problem: string | undefined
  readonly #api: Api
  readonly #clock: ServerClock
  readonly #restaurantId: string
  readonly #onChange: () => void
  #isWaiting = false
  #isReading = false
  #isOutdated = false

  constructor(api: Api, clock: ServerClock, restaurantId: string, onChange: () => void) {
    this.#api = api
    this.#clock = clock
    this.#restaurantId = restaurantId
    this.#onChange = onChange
  }

  /** The stock may have changed: reads it soon. */
  refresh(delayMs = PAUSE_MS): void {
    this.#isOutdated = true
    if (this.#isWaiting) return
    this.#isWaiting = true
    setTimeout(() => {
      this.#isWaiting = false
      void this.#read()
    }, delayMs)
  }

  /** Changes an item: off the menu or back, or more portions. @returns the answer of the API */
  async change({ menu_item_id }: MenuItem, path: '' | '/restock', call: Call): Promise<Answer> {
    const answer = await this.#api.call(`api/v1/inventory/${menu_item_id}${path}`, call)
    if (answer.problem === undefined) {
      const changed = answer.body as MenuItem
      this.items = this.items.map(item => (item.menu_item_id === menu_item_id ? changed : item))
    }
    this.refresh(0)
    this.#onChange()
    return answer
  }

  async #read(): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    this.#isOutdated = false
    const answer = await this.#readPages()
    this.#isReading = false
    this.problem = answer.problem
    this.#onChange()
    if (answer.problem !== undefined) this.refresh(RETRY_MS)
    else if (this.#isOutdated) this.refresh()
  }

  async #readPages(): Promise<Answer> {
    const items: MenuItem[] = []
    const menu = `api/v1/restaurants/${this.#restaurantId}/menu`
    let path = `${menu}?limit=100`
    for (let page = 1; ; page++) {
      const answer: Answer = await this.#api.call(path)
      if (answer.problem !== undefined) return answer
      items.push(...(answer.body as MenuItem[]))
      if (answer.next !== undefined && page < MAX_PAGE_COUNT) {
        path = menu + new URL(answer.next, this.#api.url('')).search
        continue
      }
      this.items = items
      this.asOfMs = this.#clock.nowMs()
      return answer
    }
  }
}

export type StockLevel = 'off the menu' | 'sold out' | 'low' | 'in stock'

export function levelOf({ active, available_qty, low_since }: MenuItem): StockLevel {
  if (!active) return 'off the menu'
  if (available_qty === 0) return 'sold out'
  return low_since === null ? 'in stock' : 'low'
}

/** Cancelling an order gives its stock back, for which there is no event. */
export function mayChangeStock(type: string): boolean {
  return type.startsWith('inventory.') || type === 'order.cancelled.v1'
}
