import { type EventOf, newEvent, type TraceContext } from '../events/event.ts'
import {
  type ExpectedError,
  type FieldError,
  NotFound,
  RestaurantInactive,
  ValidationFailed,
} from '../platform/errors.ts'
import type { IdempotentRequest, StoredReply } from '../platform/idempotent-request.ts'
import { formatMoney } from '../platform/money.ts'
import type { MenuLookup } from './menu-cache.ts'

export interface PlaceOrder {
  /** chosen by the server; a retry under the same id creates no second order */
  order_id: string
  restaurant_id: string
  items: { menu_item_id: string; quantity: number }[]
  customer_id?: string | undefined
  notes?: string | undefined
  client_reference?: string | undefined
  /** name of the client, if it is known */
  by?: string | null
  trace: TraceContext
  /** present when the request carries an idempotency key; the reply is stored with the order */
  idempotency?: PlacementKey | undefined
  /** hash of the body, compared when the client sends its reference again */
  fingerprint?: string | undefined
}

interface PlacementKey extends IdempotentRequest {
  /** renders the reply to store; called once the prices of the order are decided */
  replyOf: (order: PlacedOrder) => StoredReply
}

/** An order as it is written, with amounts in minor units. */
export interface PlacedOrder {
  order_id: string
  restaurant_id: string
  customer_id: string | null
  client_reference: string | null
  notes: string | null
  currency: string
  currency_decimals: number
  total_minor: number
  items: { menu_item_id: string; line_no: number; name: string; price_minor: number; quantity: number }[]
  placed_at: Date
}

/** The order that one request of a batch placed, or the error that refused it. */
export type PlacementOutcome = PlacedOrder | ExpectedError

/**
 * Merges lines of the same item, copies name and price from the menu, and adds up the total. Pure.
 * @returns the order to insert, or NotFound, RestaurantInactive or ValidationFailed with one error
 *   per line
 */
export function decidePlacement(request: PlaceOrder, menu: MenuLookup, placed_at: Date): PlacementOutcome {
  const { order_id, restaurant_id, customer_id = null, client_reference = null, notes = null } = request
  const items = new Map<string, PlacedOrder['items'][number]>()
  const errors: FieldError[] = []
  let currency = ''
  let currency_decimals = 0
  for (const [index, { menu_item_id, quantity }] of request.items.entries()) {
    const entry = menu(restaurant_id, menu_item_id)
    if (!entry?.currency || entry.currency_decimals === null) return new NotFound('restaurant', restaurant_id)
    if (!entry.is_open) return new RestaurantInactive(entry.closed_until)
    ;({ currency, currency_decimals } = entry)
    const merged = items.get(menu_item_id)
    if (merged) merged.quantity += quantity
    else if (entry.name === null || entry.price_minor === null)
      errors.push({ pointer: pointerOf(index), detail: `${menu_item_id} is not on this restaurant's menu` })
    else if (!entry.is_active)
      errors.push({ pointer: pointerOf(index), ...unavailable(entry.name, entry.inactive_until) })
    else
      items.set(menu_item_id, {
        menu_item_id,
        line_no: items.size + 1,
        name: entry.name,
        price_minor: entry.price_minor,
        quantity,
      })
  }
  if (errors.length > 0) return new ValidationFailed(errors)
  const lines = [...items.values()]
  const total_minor = lines.reduce((sum, { price_minor, quantity }) => sum + price_minor * quantity, 0)
  return {
    order_id,
    restaurant_id,
    customer_id,
    client_reference,
    notes,
    currency,
    currency_decimals,
    total_minor,
    items: lines,
    placed_at,
  }
}

function unavailable(name: string, until: Date | null): Omit<FieldError, 'pointer'> {
  if (!until) return { detail: `${name} is currently unavailable`, inactive_until: null }
  const inactive_until = until.toISOString()
  return { detail: `${name} is unavailable until ${inactive_until}`, inactive_until }
}

const pointerOf = (index: number) => `/items/${index}/menu_item_id`

/** Returns the `order.placed.v1` of an order. Pure, except that the event gets a new id. */
export function placedEvent(order: PlacedOrder, trace: TraceContext): EventOf<'order.placed.v1'> {
  const { order_id, restaurant_id, customer_id, currency, currency_decimals, notes } = order
  const items = order.items.map(({ menu_item_id, name, quantity, price_minor }) => ({
    menu_item_id,
    name,
    quantity,
    price: formatMoney(price_minor, currency_decimals),
  }))
  const total_amount = formatMoney(order.total_minor, currency_decimals)
  const placed_at = order.placed_at.toISOString()
  return newEvent(
    'order.placed.v1',
    {
      order_id,
      restaurant_id,
      customer_id,
      currency,
      total_amount,
      items,
      ...(notes === null ? {} : { notes }),
      placed_at,
    },
    trace,
  )
}
