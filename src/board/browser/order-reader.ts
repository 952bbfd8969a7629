import type { Api } from '../../pages/browser/api.ts'
import type { Order } from './api-types.ts'
import type { BoardInput } from './board-state.ts'

/** Orders that are read at a time. */
const MAX_READ_COUNT = 4

/** Reads orders of which an event or a snapshot did not have everything. */
export class OrderReader {
  readonly #api: Api
  readonly #onRead: (input: BoardInput) => void
  readonly #reading = new Set<string>()

  constructor(api: Api, onRead: (input: BoardInput) => void) {
    this.#api = api
    this.#onRead = onRead
  }

  /** Reads some of the orders. The caller calls again for the rest, and for those that failed. */
  readSome(orderIds: Iterable<string>): void {
    for (const id of orderIds) {
      if (this.#reading.size >= MAX_READ_COUNT) return
      if (!this.#reading.has(id)) void this.read(id)
    }
  }

  /** @returns why the order cannot be read; undefined after a success */
  async read(orderId: string): Promise<string | undefined> {
    this.#reading.add(orderId)
    const { status, body, problem } = await this.#api.call(`api/v1/orders/${orderId}`)
    this.#reading.delete(orderId)
    if (status === 404) this.#onRead({ kind: 'absent', order_id: orderId })
    else if (problem === undefined) this.#onRead({ kind: 'order', order: body as Order })
    return problem
  }
}
