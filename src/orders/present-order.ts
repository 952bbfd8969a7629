import { formatMoney } from '../platform/money.ts'
import { orderCode } from '../platform/order-code.ts'
import type { PlacedOrder } from './decide-placement.ts'
import type { ListedOrder } from './list-orders.ts'
import type { ListedOrderReply, OrderReply, PlacedOrderReply, Unlinked } from './order-contract.ts'
import type { OrderRecord } from './order-queries.ts'

/** Representations of orders. */

/** Returns the order as it was placed, whatever its status has become. */
export function presentPlacedOrder(
  order: Omit<PlacedOrder, 'items'> & Pick<OrderRecord, 'items'>,
): Unlinked<PlacedOrderReply> {
  const { order_id, restaurant_id, currency, currency_decimals, total_minor, items, placed_at } = order
  return {
    order_id,
    code: orderCode(order_id),
    restaurant_id,
    status: 'PLACED',
    total_amount: formatMoney(total_minor, currency_decimals),
    currency,
    items: items.map(item => presentItem(item, currency_decimals)),
    placed_at: placed_at.toISOString(),
    client_reference: order.client_reference,
  }
}

export function presentOrder(order: OrderRecord): Unlinked<OrderReply> {
  const {
    order_id,
    restaurant_id,
    status,
    total_minor,
    currency,
    currency_decimals,
    customer_id,
    notes,
    cancellation_reason,
    shortages,
  } = order
  return {
    order_id,
    code: orderCode(order_id),
    restaurant_id,
    status,
    total_amount: formatMoney(total_minor, currency_decimals),
    currency,
    items: order.items.map(item => presentItem(item, currency_decimals)),
    placed_at: order.placed_at.toISOString(),
    customer_id,
    client_reference: order.client_reference,
    notes,
    cancellation_reason,
    shortages,
    ready_at: order.ready_at?.toISOString() ?? null,
    updated_at: order.updated_at.toISOString(),
    timeline: order.timeline.map(step => ({ ...step, at: new Date(step.at).toISOString() })),
  }
}

export function presentListedOrder(order: ListedOrder): ListedOrderReply {
  const { order_id, restaurant_id, status, total_minor, currency, currency_decimals } = order
  const { customer_id, cancellation_reason } = order
  return {
    order_id,
    code: orderCode(order_id),
    restaurant_id,
    status,
    total_amount: formatMoney(total_minor, currency_decimals),
    currency,
    customer_id,
    client_reference: order.client_reference,
    cancellation_reason,
    placed_at: order.placed_at.toISOString(),
    ready_at: order.ready_at?.toISOString() ?? null,
    updated_at: order.updated_at.toISOString(),
  }
}

function presentItem(
  item: { menu_item_id: string; name: string; price_minor: number; quantity: number },
  decimals: number,
) {
  const { menu_item_id, name, price_minor, quantity } = item
  return { menu_item_id, name, price: formatMoney(price_minor, decimals), quantity }
}
