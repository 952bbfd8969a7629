const MAX_COUNT = 100
const EXPIRE_AFTER_MS = 12 * 60 * 60_000

interface Entry {
  order_id: string
  sinceMs: number
}

/**
 * Remembers over a reload of the page which cancelled orders no person has acknowledged. A snapshot
 * has only open orders, so a new page reads the others from the API.
 */
export class Unacknowledged {
  /** orders of the page before, which are to be read */
  readonly unread: Set<string>
  #entries: readonly Entry[]
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'>
  readonly #name: string

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'>, restaurantId: string, nowMs: number) {
    this.#storage = storage
    this.#name = `cancelled ${restaurantId}`
    this.#entries = stored(storage, this.#name).filter(({ sinceMs }) => nowMs - sinceMs < EXPIRE_AFTER_MS)
    this.unread = new Set(this.#entries.map(({ order_id }) => order_id))
  }

  /** @param shown the cancelled orders on the board; all others are acknowledged, or unread */
  update(shown: readonly string[], nowMs: number): void {
    const before = new Map(this.#entries.map(({ order_id, sinceMs }) => [order_id, sinceMs]))
    const ids = new Set([...this.unread, ...shown])
    if (ids.size === before.size && [...ids].every(id => before.has(id))) return
    this.#entries = [...ids]
      .map(order_id => ({ order_id, sinceMs: before.get(order_id) ?? nowMs }))
      .slice(-MAX_COUNT)
    this.#storage.setItem(this.#name, JSON.stringify(this.#entries))
  }
}

function stored(storage: Pick<Storage, 'getItem'>, name: string): Entry[] {
  try {
    return JSON.parse(storage.getItem(name) ?? '[]') as Entry[]
  } catch {
    return []
  }
}
