import { type OrderStatus, OUT_OF_STOCK, openStatuses } from '../../src/orders/order.ts'
import { ApiProblem, ApiUnreachable } from './api.ts'
import { Latencies } from './latencies.ts'

/** What is measured: calls of the API, and the time until an order is PREPARING. */
export const timings = [
  'POST /orders',
  'GET /orders/{id}',
  'PATCH /orders/{id}/status',
  'POST /orders/{id}/cancel',
  'PLACED → PREPARING',
] as const

export type Timing = (typeof timings)[number]

/** Each order counts as one of these, by its last known state. */
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
  /** HTTP status, or null without a response */
  status: number | null
  code: string
  count: number
  /** detail of the first response */
  example: string
}

/** The fields that determine the state of an order. */
interface Seen {
  order_id: string
  status: OrderStatus
  cancellation_reason?: string | null
}

/** Counts the outcomes of a simulation. */
export class SimulationStats {
  /** customers who arrived */
  arrived = 0
  /** orders that the API accepted (202) */
  accepted = 0
  /** orders that got a problem document or no response */
  notAccepted = 0
  /** customers beyond the limit of open orders, who sent no order */
  turnedAway = 0
  /** customers who had sent no order when the simulation was stopped */
  cutOff = 0
  /** accepted orders that were still PLACED after the polling timeout */
  gaveUp = 0
  readonly latencies = Object.fromEntries(timings.map(timing => [timing, new Latencies()])) as Record<
    Timing,
    Latencies
  >
  readonly #troubles = new Map<string, Trouble>()
  readonly #open = new Map<string, Ending>()
  readonly #ended = new Map<Ending, number>()

  /** Records the state of an order. Of a final order, only the count is kept. */
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

  /** Returns the problems, most frequent first. */
  get troubles(): Trouble[] {
    return [...this.#troubles.values()].sort((a, b) => b.count - a.count || a.code.localeCompare(b.code))
  }

  /** Number of calls that got 5xx or no response: 0 in a healthy system. */
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
