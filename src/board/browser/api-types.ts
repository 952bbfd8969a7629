/**
 * What the board reads from the API. test/board/api-types.test.ts does not compile when a reply or
 * an event of the API no longer has one of these properties.
 */

export type OrderStatus = 'PLACED' | 'PREPARING' | 'OUT_FOR_DELIVERY' | 'DELIVERED' | 'CANCELLED'

export interface OrderItem {
  menu_item_id: string
  name: string
  quantity: number
}

interface Transition {
  seq: number
  to_status: OrderStatus
  at: string
}

/** An order as GET, changes and snapshots show it. */
export interface Order {
  order_id: string
  code: string
  status: OrderStatus
  items: readonly OrderItem[]
  customer_id: string | null
  notes: string | null
  cancellation_reason: string | null
  placed_at: string
  /** since when the food is ready; null: it is not */
  ready_at: string | null
  /** opens the page of the customer */
  tracking_url: string
  timeline: readonly Transition[]
}

export interface Restaurant {
  restaurant_id: string
  name: string
  /** IANA name */
  time_zone: string
  active: boolean
  inactive_until: string | null
  inactive_reason: string | null
}

/** Data of the event that the restaurant has changed. */
export type RestaurantChangedData = Omit<Restaurant, 'time_zone'>

/** Data of the first event of the restaurant's stream. */
export interface Snapshot {
  restaurant: Restaurant
  open_orders: readonly Order[]
  has_more_open_orders: boolean
}

/** Every event of a stream but the snapshot. */
export interface CloudEvent {
  type: string
  data: unknown
}

export interface PlacedData {
  order_id: string
  code?: string
  items: readonly OrderItem[]
  customer_id: string | null
  /** absent: none */
  notes?: string | undefined
  placed_at: string
}

/** Data of the events that record a step of an order. */
export interface StepData {
  order_id: string
  code?: string
  status: OrderStatus
  seq: number
  reason: string | null
  at: string
}

export interface MenuItem {
  menu_item_id: string
  name: string
  available_qty: number
  low_since: string | null
  active: boolean
  inactive_until: string | null
  inactive_reason: string | null
}
