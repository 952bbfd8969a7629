import { type OrderStatus, OUT_OF_STOCK, openStatuses } from '../../src/orders/order.ts'
import { ApiProblem, ApiUnreachable } from './api.ts'
import { Latencies } from './latencies.ts'

/** What is timed: the calls as they stand in the API's documentation, and the slow path. */
export const timings = [
  'POST /orders',
  'GET /orders/{id}',
  'PATCH /orders/{id}/status',
  'POST /orders/{id}/cancel',
  'PLACED → PREPARING',
] as const

export type Timing = (typeof timings)[number]

/** Every order is counted under one of these, the one it was last seen in. */
export const endings = [
  'DELIVERED',
  'OUT_FOR_DELIVERY',
  'PREPARING',
  'PLACED',
  'CANCELLED by customer',
  'CANCELLED, out of stock',
] as const

export type Ending = (typeof endings)[number]

export interface Trouble {
  /** HTTP status, or null when no answer came */
  status: number | null
  code: string
  count: number
  /** what the first of them said */
  example: string
}

/** The parts of an order that say where it is. */
interface Seen {
  order_id: string
  status: OrderStatus
  cancellation_reason?: string | null
}

/** Counts what happened in a simulation. */
export class SimulationStats {
  /** customers who came */
  arrived = 0
  /** orders that were answered with 202 */
  accepted = 0
  /** orders that were answered with a problem, or not at all */
  notAccepted = 0
  /** customers for whom the simulation had no room; they sent nothing */
  turnedAway = 0
  /** customers who were about to order when the simulation was stopped */
  cutOff = 0
  /** accepted orders that stayed PLACED for longer than the simulation watches */
  gaveUp = 0
  readonly latencies = Object.fromEntries(timings.map(timing => [timing, new Latencies()])) as Record<
    Timing,
    Latencies
  >
  readonly #troubles = new Map<string, Trouble>()
  readonly #open = new Map<string, Ending>()
  readonly #ended = new Map<Ending, number>()

  /**
   * Takes note of where an order is. One that cannot change any more is forgotten, but for its
   * count.
   */
  see(order: Seen): void {
    const ending = endingOf(order)
    const isFinal = !openStatuses.includes(order.status)
    if (!isFinal) this.#open.set(order.order_id, ending)
    else if (this.#open.delete(order.order_id)) this.#ended.set(ending, this.#countEnded(ending) + 1)
  }

  count(ending: Ending): number {
    return this.#countEnded(ending) + [...this.#open.values()].filter(open => open === ending).length
  }

  addTrouble(error: ApiProblem | ApiUnreachable): void {
    const status = error instanceof ApiProblem ? error.status : null
    const key = `${status}/${error.code}`
    const known = this.#troubles.get(key)
    if (known) known.count++
    else {
      const example = error instanceof ApiProblem ? error.detail : 'no answer'
      this.#troubles.set(key, { status, code: error.code, count: 1, example })
    }
  }

  /** Most frequent first. */
  get troubles(): Trouble[] {
    return [...this.#troubles.values()].sort((a, b) => b.count - a.count || a.code.localeCompare(b.code))
  }

  /** Answers with a 5xx, and calls without an answer: what a healthy system never gives. */
  get failureCount(): number {
    return this.troubles
      .filter(({ status }) => status === null || status >= 500)
      .reduce((sum, { count }) => sum + count, 0)
  }

  #countEnded(ending: Ending): number {
    return this.#ended.get(ending) ?? 0
  }
}

function endingOf({ status, cancellation_reason }: Seen): Ending {
  if (status !== 'CANCELLED') return status
  return cancellation_reason === OUT_OF_STOCK ? 'CANCELLED, out of stock' : 'CANCELLED by customer'
}
