import { ExpectedError } from '../platform/errors.ts'

/**
 * The state machine of orders: the only place that defines which transitions are allowed, and by
 * whom. Pure: callers pass the state that they have read and locked, and write the transition that
 * is returned.
 */
export const orderStatuses = ['PLACED', 'PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED', 'CANCELLED'] as const

export type OrderStatus = (typeof orderStatuses)[number]

export const transitions = {
  PLACED: ['PREPARING', 'CANCELLED'],
  PREPARING: ['OUT_FOR_DELIVERY', 'CANCELLED'],
  OUT_FOR_DELIVERY: ['DELIVERED', 'CANCELLED'],
  DELIVERED: [],
  CANCELLED: [],
} as const satisfies Record<OrderStatus, readonly OrderStatus[]>

/** Statuses that an order can still leave. */
export const openStatuses: readonly OrderStatus[] = orderStatuses.filter(
  status => transitions[status].length > 0,
)

/** Returns whether an order can never leave the status. No event follows the one that sets it. */
export const isFinal = (status: string) => !openStatuses.some(open => open === status)

/**
 * Number of the transition to PREPARING: it follows the placement, and no later one leads there.
 */
export const PREPARING_SEQ = 2

/**
 * Facts that the kitchen states about an order that is PREPARING. Each is recorded as a transition
 * that keeps the status.
 */
export const orderFacts = ['READY', 'UNREADY'] as const

export type OrderFact = (typeof orderFacts)[number]

/** Facts per order. */
const MAX_FACT_COUNT = 100

/** Who requests a transition: a client of the API, or the asynchronous pipeline. */
export type Actor = 'client' | 'system'

/** Cancellation reason of an order with insufficient stock; clients cannot send it. */
export const OUT_OF_STOCK = 'OUT_OF_STOCK'
/** Default reason of a cancellation by a client. */
export const CLIENT_REQUEST = 'CLIENT_REQUEST'

/** The columns of a locked order that decide a transition. */
export interface OrderState {
  order_id: string
  restaurant_id: string
  status: OrderStatus
  /** number of the last transition, 1 for a new order */
  version: number
  /** time of READY, unless it was taken back */
  ready_at: Date | null
  /** name of the client that made the last transition; read only for clients */
  changed_by?: string | null
  /** time of the next transition: the database's, in ms since 1970, and not before the last one */
  next_ms: number
}

/** An item of which an order requested more than was available. */
export interface Shortage {
  menu_item_id: string
  name: string
  requested_qty: number
  available_qty: number
}

export interface TransitionRequest {
  to: OrderStatus
  actor: Actor
  reason?: string | undefined
  shortages?: Shortage[] | undefined
}

/** A decided transition, to be written. */
export interface Transition {
  order: OrderState
  to: OrderStatus
  /** null: the status changes */
  fact: OrderFact | null
  seq: number
  actor: Actor
  reason: string | null
  shortages: Shortage[] | null
}

export class IllegalTransition extends ExpectedError {
  override name = 'IllegalTransition'

  constructor(order: Pick<OrderState, 'status' | 'changed_by'>, to: OrderStatus) {
    const allowed: readonly OrderStatus[] = allowedFor(order.status, 'client')
    const hint = allowed.length ? `allowed: ${allowed.join(', ')}` : `${order.status} is final`
    super('illegal-transition', `The order is ${order.status} and cannot become ${to}; ${hint}`, {
      current_status: order.status,
      requested_status: to,
      allowed_statuses: allowed,
      changed_by: order.changed_by ?? null,
    })
  }
}

export class InventoryPending extends ExpectedError {
  override name = 'InventoryPending'

  constructor(order: Pick<OrderState, 'status' | 'changed_by'>) {
    super(
      'inventory-pending',
      'The order is PLACED; it becomes PREPARING automatically once its stock is deducted, usually within milliseconds',
      {
        current_status: order.status,
        requested_status: 'PREPARING',
        allowed_statuses: allowedFor(order.status, 'client'),
        changed_by: order.changed_by ?? null,
      },
    )
  }
}

/** An order is ready, or not ready, only while it is PREPARING. */
export class OrderNotPreparing extends ExpectedError {
  override name = 'OrderNotPreparing'

  constructor({ status, changed_by = null }: Pick<OrderState, 'status' | 'changed_by'>) {
    super('order-not-preparing', `The order is ${status}; only an order that is PREPARING is ready or not`, {
      current_status: status,
      changed_by,
    })
  }
}

/** The order was made ready and not ready as often as an order may be. */
export class TooManyFacts extends ExpectedError {
  override name = 'TooManyFacts'

  constructor() {
    super(
      'too-many-ready-changes',
      `The order was made ready and not ready ${MAX_FACT_COUNT} times; this is the limit`,
      { limit_count: MAX_FACT_COUNT },
    )
  }
}

/**
 * Decides a transition.
 * @returns the transition, or null when the order has the requested status already: a repeated
 *   request changes nothing and emits no second event
 * @throws InventoryPending when a client requests PREPARING before stock is deducted
 * @throws IllegalTransition when {@link transitions} does not allow it
 */
export function decideTransition(order: OrderState, request: TransitionRequest): Transition | null {
  const { to, actor } = request
  if (order.status === to) return null
  if (to === 'PREPARING' && order.status === 'PLACED' && actor === 'client') throw new InventoryPending(order)
  if (!(transitions[order.status] as readonly OrderStatus[]).includes(to))
    throw new IllegalTransition(order, to)
  return {
    order,
    to,
    fact: null,
    seq: order.version + 1,
    actor,
    reason: request.reason ?? (to === 'CANCELLED' ? CLIENT_REQUEST : null),
    shortages: request.shortages ?? null,
  }
}

/**
 * Decides whether a client makes an order ready, or takes that back.
 * @returns the transition, or null when nothing changes
 * @throws OrderNotPreparing, TooManyFacts
 */
export function decideReadiness(order: OrderState, isReady: boolean): Transition | null {
  if (order.status !== 'PREPARING') throw new OrderNotPreparing(order)
  if ((order.ready_at !== null) === isReady) return null
  // Every transition since PREPARING was a fact.
  if (order.version - PREPARING_SEQ >= MAX_FACT_COUNT) throw new TooManyFacts()
  return {
    order,
    to: 'PREPARING',
    fact: isReady ? 'READY' : 'UNREADY',
    seq: order.version + 1,
    actor: 'client',
    reason: null,
    shortages: null,
  }
}

/** Returns the statuses that `actor` may request. Only the system moves an order to PREPARING. */
function allowedFor(status: OrderStatus, actor: Actor): OrderStatus[] {
  return transitions[status].filter(to => actor === 'system' || to !== 'PREPARING')
}
