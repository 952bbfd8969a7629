import type {
  Order,
  OrderItem,
  OrderStatus,
  PlacedData,
  Restaurant,
  RestaurantChangedData,
  Snapshot,
  StepData,
} from './api-types.ts'

/** An order on the board. */
export interface BoardOrder {
  order_id: string
  code: string
  /** number of the last known step; older news and repetitions are ignored */
  version: number
  status: OrderStatus
  /** the status before the order was cancelled */
  previous: OrderStatus | null
  items: readonly OrderItem[]
  customer_id: string | null
  notes: string | null
  cancellation_reason: string | null
  placed_at: string
  /** since when the food is ready; null: it is not */
  ready_at: string | null
  /** time of the last step */
  changed_at: string
  /** opens the page of the customer; null: unknown, because events do not have it */
  tracking_url: string | null
  /** A person has seen that the order is cancelled. */
  isAcknowledged: boolean
  /** The last snapshot did not have this order: whether it is still open is not known. */
  isUnconfirmed: boolean
}

export interface BoardState {
  restaurant: Restaurant | undefined
  /** also finished ones, so that old news about them stays old */
  orders: ReadonlyMap<string, BoardOrder>
  /** orders to be read from the API, because an event or a snapshot did not tell all about them */
  missing: ReadonlySet<string>
  /** The restaurant has more open orders than a snapshot holds. */
  hasMore: boolean
}

/** Everything that changes the state. */
export type BoardInput =
  | { kind: 'snapshot'; snapshot: Snapshot }
  | { kind: 'event'; type: string; data: unknown }
  /** the answer to a read or a change of an order */
  | { kind: 'order'; order: Order }
  /** the API has no such order */
  | { kind: 'absent'; order_id: string }
  | { kind: 'acknowledged'; order_id: string }
  /** a cancelled order that the page before has shown, and that no person has acknowledged */
  | { kind: 'unacknowledged'; order: Order }

export const emptyState: BoardState = {
  restaurant: undefined,
  orders: new Map(),
  missing: new Set(),
  hasMore: false,
}

/** Finished orders that are remembered. */
const MAX_FINISHED_COUNT = 2_000

interface Draft {
  restaurant: Restaurant | undefined
  orders: Map<string, BoardOrder>
  missing: Set<string>
  hasMore: boolean
}

/**
 * Returns the state after the inputs. Pure. Whatever repeats or comes late, the state of an order
 * is the one of its highest step: inputs are compared by order and number of the step.
 */
export function fold(state: BoardState, inputs: readonly BoardInput[]): BoardState {
  if (inputs.length === 0) return state
  const draft: Draft = { ...state, orders: new Map(state.orders), missing: new Set(state.missing) }
  for (const input of inputs) apply(draft, input)
  forgetFinished(draft)
  return draft
}

function apply(draft: Draft, input: BoardInput): void {
  switch (input.kind) {
    case 'snapshot':
      return applySnapshot(draft, input.snapshot)
    case 'event':
      return applyEvent(draft, input.type, input.data)
    case 'order':
      draft.missing.delete(input.order.order_id)
      return applyOrder(draft, input.order)
    case 'unacknowledged':
      return applyOrder(draft, input.order, false)
    case 'absent':
      draft.missing.delete(input.order_id)
      draft.orders.delete(input.order_id)
      return
    case 'acknowledged': {
      const order = draft.orders.get(input.order_id)
      if (order?.status === 'CANCELLED') draft.orders.set(order.order_id, { ...order, isAcknowledged: true })
    }
  }
}

/** Open orders that the snapshot lacks are finished, or are beyond its limit: they are read. */
function applySnapshot(draft: Draft, snapshot: Snapshot): void {
  draft.restaurant = snapshot.restaurant
  draft.hasMore = snapshot.has_more_open_orders
  draft.missing.clear()
  const known = new Set(snapshot.open_orders.map(({ order_id }) => order_id))
  for (const [id, order] of draft.orders) {
    if (known.has(id) || isFinished(order.status)) continue
    draft.orders.set(id, { ...order, isUnconfirmed: true })
    draft.missing.add(id)
  }
  for (const order of snapshot.open_orders) applyOrder(draft, order)
}

/** @param isSeen no person here needs to know that the order is cancelled, if it was not known */
function applyOrder(draft: Draft, order: Order, isSeen = true): void {
  const known = draft.orders.get(order.order_id)
  const last = order.timeline.at(-1)
  const version = last?.seq ?? 1
  if (known && known.version > version) {
    draft.orders.set(order.order_id, {
      ...known,
      tracking_url: order.tracking_url,
      isUnconfirmed: false,
    })
    return
  }
  const { order_id, code, status, items, customer_id, notes, cancellation_reason, placed_at } = order
  draft.orders.set(order_id, {
    order_id,
    code,
    version,
    status,
    previous: status === 'CANCELLED' ? (order.timeline.at(-2)?.to_status ?? null) : null,
    items,
    customer_id,
    notes,
    cancellation_reason,
    placed_at,
    ready_at: order.ready_at,
    changed_at: last?.at ?? placed_at,
    tracking_url: order.tracking_url,
    isAcknowledged: status === 'CANCELLED' && (known?.isAcknowledged ?? isSeen),
    isUnconfirmed: false,
  })
}

/** Events of unknown types change nothing. */
function applyEvent(draft: Draft, type: string, data: unknown): void {
  if (type === 'order.placed.v1') applyPlaced(draft, data as PlacedData)
  else if (type === 'restaurant.changed.v1') applyRestaurant(draft, data as RestaurantChangedData)
  else if (type.startsWith('order.') && hasStep(data)) applyStep(draft, type, data)
}

function applyRestaurant(draft: Draft, changed: RestaurantChangedData): void {
  const { name, active, inactive_until, inactive_reason } = changed
  if (draft.restaurant)
    draft.restaurant = { ...draft.restaurant, name, active, inactive_until, inactive_reason }
}

function applyPlaced(draft: Draft, placed: PlacedData): void {
  const { order_id, code = '', items, customer_id, placed_at, notes = null } = placed
  if (draft.orders.has(order_id)) return
  draft.orders.set(order_id, {
    order_id,
    code,
    version: 1,
    status: 'PLACED',
    previous: null,
    items,
    customer_id,
    notes,
    cancellation_reason: null,
    placed_at,
    ready_at: null,
    changed_at: placed_at,
    tracking_url: null,
    isAcknowledged: false,
    isUnconfirmed: false,
  })
}

function hasStep(data: unknown): data is StepData {
  return typeof data === 'object' && data !== null && 'seq' in data && 'order_id' in data
}

function applyStep(draft: Draft, type: string, step: StepData): void {
  const order = draft.orders.get(step.order_id)
  if (!order) {
    if (!isFinished(step.status)) draft.missing.add(step.order_id)
    return
  }
  if (step.seq <= order.version) return
  const { status } = step
  const isCancelled = status === 'CANCELLED'
  draft.orders.set(step.order_id, {
    ...order,
    version: step.seq,
    status,
    previous: isCancelled ? order.status : null,
    cancellation_reason: isCancelled ? step.reason : null,
    ready_at: readyAt(order, type, step),
    changed_at: step.at,
    isUnconfirmed: false,
  })
}

function readyAt(order: BoardOrder, type: string, { at }: StepData): string | null {
  if (type === 'order.ready.v1') return at
  return type === 'order.unready.v1' ? null : order.ready_at
}

export function isFinished(status: OrderStatus): boolean {
  return status === 'DELIVERED' || status === 'CANCELLED'
}

/** Forgets the finished orders that were added first, except those that a person has to see. */
function forgetFinished({ orders }: Draft): void {
  const finished = [...orders.values()].filter(
    ({ status, isAcknowledged }) => status === 'DELIVERED' || (status === 'CANCELLED' && isAcknowledged),
  )
  for (const { order_id } of finished.slice(0, Math.max(0, finished.length - MAX_FINISHED_COUNT)))
    orders.delete(order_id)
}
