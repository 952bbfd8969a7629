import { type EventOf, newEvent, type TraceContext } from '../events/event.ts'
import { formatMoney } from '../platform/money.ts'
import type { Availability } from './availability.ts'
import type { MenuItem, Restaurant, StoredMenuItem } from './inventory-entities.ts'

/** What the event of a restaurant shows, or names as changed. */
export type RestaurantState = Pick<Restaurant, 'restaurant_id' | 'name' | 'time_zone'> & Availability

/** The changeable properties of an item and of a restaurant, by their names in the API. */
const itemProperties = {
  name: item => item.name,
  price: item => item.price_minor,
  low_stock_threshold: item => item.low_stock_threshold,
  available_qty: item => item.available_qty,
  active: item => item.deactivated_at === null,
  inactive_until: item => item.inactive_until?.getTime(),
  inactive_reason: item => item.inactive_reason,
} satisfies Record<string, (item: MenuItem) => unknown>

const restaurantProperties = {
  name: restaurant => restaurant.name,
  time_zone: restaurant => restaurant.time_zone,
  active: restaurant => restaurant.deactivated_at === null,
  inactive_until: restaurant => restaurant.inactive_until?.getTime(),
  inactive_reason: restaurant => restaurant.inactive_reason,
} satisfies Record<string, (restaurant: RestaurantState) => unknown>

/** Returns the event of a change of an item. @param after as clients see it */
export function itemChanged(
  before: MenuItem,
  after: StoredMenuItem,
  trace: TraceContext,
): EventOf<'inventory.item.changed.v1'> {
  return itemEvent(after, differences(itemProperties, before, after), trace)
}

/** Returns the event of an item whose stock has reached or left zero. */
export function stockChanged(
  item: StoredMenuItem,
  trace: TraceContext,
): EventOf<'inventory.item.changed.v1'> {
  return itemEvent(item, ['available_qty'], trace)
}

/** Returns the event of a change of a restaurant. @param after as clients see it */
export function restaurantChanged(
  before: RestaurantState,
  after: RestaurantState,
  trace: TraceContext,
): EventOf<'restaurant.changed.v1'> {
  const { restaurant_id, name, deactivated_at, inactive_until, inactive_reason } = after
  const payload = {
    restaurant_id,
    name,
    active: deactivated_at === null,
    inactive_until: inactive_until?.toISOString() ?? null,
    inactive_reason,
    changed: differences(restaurantProperties, before, after),
  }
  return newEvent('restaurant.changed.v1', payload, trace)
}

function itemEvent(item: StoredMenuItem, changed: string[], trace: TraceContext) {
  const { menu_item_id, restaurant_id, name, price_minor, available_qty, inactive_until } = item
  const payload = {
    menu_item_id,
    restaurant_id,
    name,
    price: formatMoney(price_minor, item.restaurant.currency_decimals),
    active: item.deactivated_at === null,
    inactive_until: inactive_until?.toISOString() ?? null,
    inactive_reason: item.inactive_reason,
    available_qty,
    updated_at: item.updated_at.toISOString(),
    changed,
  }
  return newEvent('inventory.item.changed.v1', payload, trace)
}

function differences<Row>(
  properties: Record<string, (row: Row) => unknown>,
  before: Row,
  after: Row,
): string[] {
  return Object.entries(properties).flatMap(([name, of]) => (of(before) === of(after) ? [] : [name]))
}
