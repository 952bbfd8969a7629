import type { Queries } from '../db/transaction.ts'
import { DatabaseUnavailable, ExpectedError, Overloaded } from '../platform/errors.ts'
import { IdempotencyKeyInFlight, type IdempotentRequest } from '../platform/idempotent-request.ts'
import type { PlacedOrder, PlacementOutcome, PlaceOrder } from './decide-placement.ts'
import { MenuCache } from './menu-cache.ts'
import { countTransitions } from './order-metrics.ts'
import { placeOrders } from './place-order.ts'

/**
 * Orders per batch while few are queued: two batches of this size keep the API and Postgres busy at
 * the same time. When more are queued, batches grow: under load an event loop turn takes long, and
 * each turn sends at most two batches.
 */
const BATCH_COUNT = 64
/** Items per batch; bounds the size of the statement. */
const MAX_BATCH_ITEM_COUNT = 1_000
/** Batches in flight at once: while they commit, the next ones fill up. */
const MAX_IN_FLIGHT_COUNT = 2
/** Queued orders. When the queue is full, an order is refused at once instead of waiting. */
const MAX_QUEUED_COUNT = 2_000

interface QueuedOrder {
  request: PlaceOrder
  resolve: (order: PlacedOrder) => void
  reject: (error: unknown) => void
}

/**
 * Places orders in micro-batches: orders that arrive while batches are in flight share the next
 * statement, and thereby one commit. An order that arrives alone is written at once, as a batch of
 * one. A promise resolves only after the batch of the order has committed.
 */
export class PlacementQueue {
  readonly #sql: Queries
  readonly #maxBatchCount: number
  readonly #onPlaced: () => void
  readonly #queue: QueuedOrder[] = []
  /** idempotency keys of orders that are queued or in flight in this process */
  readonly #keys = new Set<string>()
  readonly #menuCache = new MenuCache()
  #inFlight = 0
  #isScheduled = false

  /**
   * @param maxBatchCount maximum orders per batch
   * @param onPlaced called when a batch with an accepted order has committed
   */
  constructor(sql: Queries, maxBatchCount = 500, onPlaced: () => void = () => undefined) {
    this.#sql = sql
    this.#maxBatchCount = maxBatchCount
    this.#onPlaced = onPlaced
  }

  /**
   * Places one order. Returns once it is committed.
   * @throws NotFound, RestaurantInactive or ValidationFailed when the order is refused;
   *   IdempotencyKeyInFlight when its key is in use; Overloaded when the queue is full;
   *   DatabaseUnavailable
   */
  place(request: PlaceOrder): Promise<PlacedOrder> {
    return request.idempotency ? this.#placeWithKey(request, request.idempotency) : this.#enqueue(request)
  }

  async #placeWithKey(request: PlaceOrder, { caller, key }: IdempotentRequest): Promise<PlacedOrder> {
    const name = JSON.stringify([caller, key])
    if (this.#keys.has(name)) throw new IdempotencyKeyInFlight()
    this.#keys.add(name)
    try {
      return await this.#enqueue(request)
    } finally {
      this.#keys.delete(name)
    }
  }

  /** Whether the next order would be refused as Overloaded. */
  get isFull(): boolean {
    return this.#queue.length >= MAX_QUEUED_COUNT
  }

  #enqueue(request: PlaceOrder): Promise<PlacedOrder> {
    if (this.isFull) return Promise.reject(new Overloaded('The queue for new orders'))
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject })
      this.#schedule()
    })
  }

  /**
   * Starts batches at the end of this event loop turn, when all requests that arrived in it are
   * queued. They share a batch, and an order that arrives alone waits for no timer.
   */
  #schedule(): void {
    if (this.#isScheduled || this.#inFlight >= MAX_IN_FLIGHT_COUNT) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#startBatches()
    })
  }

  #startBatches(): void {
    while (this.#inFlight < MAX_IN_FLIGHT_COUNT && this.#queue.length > 0) {
      this.#inFlight++
      void this.#placeBatch(this.#takeBatch())
    }
  }

  #endBatch(): void {
    this.#inFlight--
    this.#startBatches()
  }

  #takeBatch(): QueuedOrder[] {
    const share = Math.ceil(this.#queue.length / MAX_IN_FLIGHT_COUNT)
    const count = Math.min(this.#maxBatchCount, Math.max(BATCH_COUNT, share))
    let items = 0
    const firstExcess = this.#queue.slice(0, count).findIndex(({ request }, index) => {
      items += request.items.length
      return index > 0 && items > MAX_BATCH_ITEM_COUNT
    })
    return this.#queue.splice(0, firstExcess === -1 ? count : firstExcess)
  }

  async #placeBatch(batch: QueuedOrder[]): Promise<void> {
    let outcomes: PlacementOutcome[]
    try {
      outcomes = await this.#placeOrders(batch)
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error)
      else await this.#placeOneByOne(batch)
      return this.#endBatch()
    }
    // Before the promises resolve: Postgres works on the next batch while the API renders these
    // replies.
    this.#endBatch()
    settleAll(batch, outcomes)
  }

  async #placeOrders(batch: readonly QueuedOrder[]): Promise<PlacementOutcome[]> {
    const requests = batch.map(({ request }) => request)
    const outcomes = await placeOrders(this.#sql, requests, this.#menuCache)
    if (outcomes.some(outcome => !(outcome instanceof ExpectedError))) this.#onPlaced()
    return outcomes
  }

  /**
   * Places each order of a failed batch alone, because one of them may have caused the failure.
   * Safe even if the batch did commit: placing an order is idempotent by its id.
   */
  async #placeOneByOne(batch: QueuedOrder[]): Promise<void> {
    let unavailable: DatabaseUnavailable | undefined
    for (const queued of batch) {
      try {
        if (unavailable) queued.reject(unavailable)
        else settleAll([queued], await this.#placeOrders([queued]))
      } catch (error) {
        if (error instanceof DatabaseUnavailable) unavailable = error
        queued.reject(error)
      }
    }
  }
}

/** Resolves or rejects the promise of each order; counts the placed ones in one addition. */
function settleAll(batch: readonly QueuedOrder[], outcomes: readonly PlacementOutcome[]): void {
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
