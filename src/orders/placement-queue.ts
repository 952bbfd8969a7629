import type { Sql } from '../db/transaction.ts'
import { DatabaseUnavailable, ExpectedError, Overloaded } from '../platform/errors.ts'
import { IdempotencyKeyInFlight, type IdempotentRequest } from '../platform/idempotent-request.ts'
import { MenuCache } from './menu-cache.ts'
import { countTransitions } from './order-metrics.ts'
import { type PlacedOrder, type PlacementOutcome, type PlaceOrder, placeOrders } from './place-order.ts'

/**
 * Orders that share a statement while few wait: with two statements of so many, API and database both have something to do.
 * When more wait, they share longer ones: under a flood a turn of the event loop takes long, and in each it sends two.
 */
const BATCH_COUNT = 64
/** Items in one statement: bounds its bytes. */
const MAX_BATCH_ITEM_COUNT = 1_000
/** Statements under way at once: while two commit, the next fills up. */
const MAX_IN_FLIGHT_COUNT = 2
/** Orders that may wait. Beyond them a caller is told to come back at once. */
const MAX_WAITING_COUNT = 2_000

interface Waiting {
  request: PlaceOrder
  resolve: (order: PlacedOrder) => void
  reject: (error: unknown) => void
}

/**
 * Places orders in micro-batches: those that arrive while others are being written share the next statement. An order
 * alone is written at once. Nothing is acknowledged before its batch has committed.
 */
export class PlacementQueue {
  readonly #sql: Sql
  readonly #maxBatchCount: number
  readonly #waiting: Waiting[] = []
  /** keys of orders that wait or are being written */
  readonly #keys = new Set<string>()
  readonly #menu = new MenuCache()
  #inFlight = 0
  #beginning = false

  /** @param maxBatchCount most orders in one statement */
  constructor(sql: Sql, maxBatchCount = 500) {
    this.#sql = sql
    this.#maxBatchCount = maxBatchCount
  }

  /**
   * @throws what is wrong with this order, IdempotencyKeyInFlight when its key is taken, Overloaded when too many wait,
   *   DatabaseUnavailable
   */
  place(request: PlaceOrder): Promise<PlacedOrder> {
    return request.idempotency ? this.#placeOnce(request, request.idempotency) : this.#enqueue(request)
  }

  async #placeOnce(request: PlaceOrder, { caller, key }: IdempotentRequest): Promise<PlacedOrder> {
    const name = JSON.stringify([caller, key])
    if (this.#keys.has(name)) throw new IdempotencyKeyInFlight()
    this.#keys.add(name)
    try {
      return await this.#enqueue(request)
    } finally {
      this.#keys.delete(name)
    }
  }

  /** Whether the next order would be refused. */
  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING_COUNT
  }

  #enqueue(request: PlaceOrder): Promise<PlacedOrder> {
    if (this.isFull) return Promise.reject(new Overloaded('The queue for new orders'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#begin()
    })
  }

  /** Once the event loop has handed over all requests that have come: they go together, and an order alone does not wait. */
  #begin(): void {
    if (this.#beginning || this.#inFlight >= MAX_IN_FLIGHT_COUNT) return
    this.#beginning = true
    setImmediate(() => {
      this.#beginning = false
      this.#next()
    })
  }

  #next(): void {
    while (this.#inFlight < MAX_IN_FLIGHT_COUNT && this.#waiting.length > 0) {
      this.#inFlight++
      void this.#write(this.#takeBatch())
    }
  }

  /** The next statement goes out before these orders are answered, so that the database does not wait for that. */
  #done(): void {
    this.#inFlight--
    this.#next()
  }

  #takeBatch(): Waiting[] {
    const share = Math.ceil(this.#waiting.length / MAX_IN_FLIGHT_COUNT)
    const count = Math.min(this.#maxBatchCount, Math.max(BATCH_COUNT, share))
    let items = 0
    const beyond = this.#waiting.slice(0, count).findIndex(({ request }, index) => {
      items += request.items.length
      return index > 0 && items > MAX_BATCH_ITEM_COUNT
    })
    return this.#waiting.splice(0, beyond === -1 ? count : beyond)
  }

  async #write(batch: Waiting[]): Promise<void> {
    let outcomes: PlacementOutcome[]
    try {
      outcomes = await this.#place(batch)
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error)
      else await this.#writeOneByOne(batch)
      return this.#done()
    }
    this.#done()
    settle(batch, outcomes)
  }

  async #place(batch: readonly Waiting[]): Promise<PlacementOutcome[]> {
    const requests = batch.map(({ request }) => request)
    return await placeOrders(this.#sql, requests, this.#menu)
  }

  /** One of them may be the cause; their ids make it safe to write again what was written after all. */
  async #writeOneByOne(batch: Waiting[]): Promise<void> {
    let unavailable: DatabaseUnavailable | undefined
    for (const waiting of batch) {
      try {
        if (unavailable) waiting.reject(unavailable)
        else settle([waiting], await this.#place([waiting]))
      } catch (error) {
        if (error instanceof DatabaseUnavailable) unavailable = error
        waiting.reject(error)
      }
    }
  }
}

/** Answers each; the metrics count those that were placed, with one addition. */
function settle(batch: readonly Waiting[], outcomes: readonly PlacementOutcome[]): void {
  let placed = 0
  for (const [index, { resolve, reject }] of batch.entries()) {
    const outcome = outcomes[index]
    if (outcome === undefined || outcome instanceof ExpectedError)
      reject(outcome ?? new DatabaseUnavailable(undefined))
    else {
      placed++
      resolve(outcome)
    }
  }
  countTransitions('PLACED', placed)
}
