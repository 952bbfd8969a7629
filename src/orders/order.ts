import { ExpectedError } from '../platform/errors.ts'

/**
 * The order's state machine: the only place that knows which transitions exist. Pure: what the shell reads goes in,
 * a decision comes out, time and ids are arguments.
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

/** Who asks for a transition: a caller of the API, or the slow path. */
export type Actor = 'client' | 'system'

/** The reason of an order that ended because stock was short. Clients cannot give it. */
export const OUT_OF_STOCK = 'OUT_OF_STOCK'
/** The reason of a client's cancellation that gave none. */
const CLIENT_REQUEST = 'CLIENT_REQUEST'

/** What a decision needs to know of an order: its row, locked. */
export interface OrderState {
  order_id: string
  restaurant_id: string
  status: OrderStatus
  /** number of the last transition, 1 for a new order */
  version: number
}

/** An item that an order wanted more of than there was. */
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

/** One step of an order's history, to be written. */
export interface Transition {
  order: OrderState
  to: OrderStatus
  seq: number
  actor: Actor
  reason: string | null
  shortages: Shortage[] | null
}

export class IllegalTransition extends ExpectedError {
  override name = 'IllegalTransition'

  constructor(order: OrderState, to: OrderStatus) {
    const allowed: readonly OrderStatus[] = allowedFor(order.status, 'client')
    const hint = allowed.length ? `it can become ${allowed.join(' or ')}` : 'that is final'
    super('illegal-transition', `The order is ${order.status} and cannot become ${to}; ${hint}`, {
      current_status: order.status,
      requested_status: to,
      allowed_statuses: allowed,
    })
  }
}

export class InventoryPending extends ExpectedError {
  override name = 'InventoryPending'

  constructor(order: OrderState) {
    super(
      'inventory-pending',
      'The order is PLACED: it becomes PREPARING by itself when its stock has been deducted, usually within milliseconds',
      {
        current_status: order.status,
        requested_status: 'PREPARING',
        allowed_statuses: allowedFor(order.status, 'client'),
      },
    )
  }
}

/**
 * Whether and how an order changes.
 * @returns the transition, or null when the order is in that state already: nothing happens, no second event
 * @throws InventoryPending when a client asks for PREPARING before stock has been deducted
 * @throws IllegalTransition when the table above has no such step
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
    seq: order.version + 1,
    actor,
    reason: request.reason ?? (to === 'CANCELLED' ? CLIENT_REQUEST : null),
    shortages: request.shortages ?? null,
  }
}

/** The steps that `actor` may ask for: PREPARING belongs to the system. */
function allowedFor(status: OrderStatus, actor: Actor): OrderStatus[] {
  return transitions[status].filter(to => actor === 'system' || to !== 'PREPARING')
}
