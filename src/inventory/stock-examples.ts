import { demoIds } from '../platform/demo-ids.ts'
import type { MenuItemReply, RestaurantReply } from './stock-contract.ts'

/** Examples in the OpenAPI document, taken from the demo menu. */

export const restaurantTag = { ETag: 'Version of the restaurant, for `If-Match` and `If-None-Match`' }

export const menuItemTag = {
  ETag: 'Version and time of the last change. `If-Match` compares only the version, which stock movements do not change; `If-None-Match` compares both',
}

export const restaurantExample: RestaurantReply = {
  restaurant_id: demoIds.restaurant,
  name: 'Trattoria Bella Vista',
  currency: 'EUR',
  time_zone: 'Europe/Rome',
  active: true,
  inactive_until: null,
  inactive_reason: null,
  created_at: '2026-11-22T18:00:00.000Z',
}

export const menuItemExample: MenuItemReply = {
  menu_item_id: demoIds.margherita,
  restaurant_id: demoIds.restaurant,
  name: 'Pizza Margherita',
  price: '9.50',
  currency: 'EUR',
  available_qty: 10,
  low_stock_threshold: 3,
  low_since: null,
  active: true,
  inactive_until: null,
  inactive_reason: null,
  created_at: '2026-11-22T18:00:00.000Z',
  updated_at: '2026-11-22T18:00:00.000Z',
}
