import type { EventType } from '../../src/events/catalogue.ts'
import type { OrderFact, OrderStatus } from '../../src/orders/order.ts'

/**
 * The expected behaviour of Comanda, specified a second time and as simply as possible: no locks,
 * no retries, no SQL, no batches. It shares no code with the system that it is compared with.
 */

interface ModelOrder {
  status: OrderStatus
  /** ordered portions of each menu item */
  wanted: number[]
  stock: 'untouched' | 'deducted' | 'restored'
  isReady: boolean
  history: (OrderStatus | OrderFact)[]
}

/** An event that must be in the outbox exactly once. */
interface ModelEvent {
  type: EventType
  /** index of the order */
  order: number
  isHandled: boolean
}

/** The expected reply of an API call: its status, and the problem code of an error. */
export interface ModelReply {
  status: number
  problem?: string
}

const next: Record<string, string> = {
  PREPARING: 'OUT_FOR_DELIVERY',
  OUT_FOR_DELIVERY: 'DELIVERED',
}

export class OrderModel {
  readonly stock: number[]
  readonly orders: ModelOrder[] = []
  readonly events: ModelEvent[] = []

  constructor(stock: readonly number[]) {
    this.stock = [...stock]
  }

  place(wanted: number[]): void {
    this.orders.push({ status: 'PLACED', wanted, stock: 'untouched', isReady: false, history: ['PLACED'] })
    this.#emit('order.placed.v1', this.orders.length - 1)
  }

  /** A status change or cancellation by a client. */
  changeStatus(index: number, to: OrderStatus): ModelReply {
    const { status } = this.#order(index)
    if (status === to) return { status: 200 }
    if (status === 'PLACED' && to === 'PREPARING') return { status: 409, problem: 'inventory-pending' }
    const isOpen = status !== 'DELIVERED' && status !== 'CANCELLED'
    const isLegal = to === 'CANCELLED' ? isOpen : next[status] === to
    if (!isLegal) return { status: 409, problem: 'illegal-transition' }
    this.#move(index, to)
    return { status: 200 }
  }

  /** A client makes an order ready, or takes that back. */
  changeReadiness(index: number, isReady: boolean): ModelReply {
    const order = this.#order(index)
    if (order.status !== 'PREPARING') return { status: 409, problem: 'order-not-preparing' }
    if (order.isReady === isReady) return { status: 200 }
    order.isReady = isReady
    order.history.push(isReady ? 'READY' : 'UNREADY')
    this.#emit(isReady ? 'order.ready.v1' : 'order.unready.v1', index)
    return { status: 200 }
  }

  /** Handles the job of an event: for the first time or again, in any order. */
  handle(index: number): void {
    const event = this.events[index]
    if (!event || event.isHandled) return
    event.isHandled = true
    const order = this.#order(event.order)
    if (event.type === 'order.placed.v1' && order.status === 'PLACED') this.#deduct(event.order)
    if (event.type === 'inventory.deducted.success.v1' && order.status === 'PLACED')
      this.#move(event.order, 'PREPARING')
    if (event.type === 'inventory.deducted.failed.v1' && order.status === 'PLACED')
      this.#move(event.order, 'CANCELLED')
    if (event.type === 'order.cancelled.v1' && order.stock === 'deducted') {
      order.stock = 'restored'
      for (const [item, quantity] of order.wanted.entries()) this.#changeStock(item, quantity)
    }
  }

  #deduct(index: number): void {
    const order = this.#order(index)
    if (order.wanted.some((quantity, item) => quantity > (this.stock[item] ?? 0)))
      return this.#emit('inventory.deducted.failed.v1', index)
    order.stock = 'deducted'
    for (const [item, quantity] of order.wanted.entries()) this.#changeStock(item, -quantity)
    this.#emit('inventory.deducted.success.v1', index)
  }

  #move(index: number, to: OrderStatus): void {
    const order = this.#order(index)
    order.status = to
    order.history.push(to)
    if (to === 'CANCELLED') this.#emit('order.cancelled.v1', index)
    else this.#emit(`order.status.${to.toLowerCase()}.v1` as EventType, index)
  }

  #emit(type: EventType, order: number): void {
    this.events.push({ type, order, isHandled: false })
  }

  #changeStock(item: number, delta: number): void {
    this.stock[item] = (this.stock[item] ?? 0) + delta
  }

  #order(index: number): ModelOrder {
    const order = this.orders[index]
    if (!order) throw new Error(`the model has no order ${index}`)
    return order
  }
}
