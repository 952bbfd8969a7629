import { demoIds } from '../platform/demo-ids.ts'
import type { MenuItemReply, RestaurantReply } from './stock-contract.ts'

/** What the documentation shows of restaurants and their menus: those of the demo menu. */

export const versionHeader = {
  ETag: 'Version of the entry, for `If-Match`; movements of stock do not change it',
}

export const restaurantExample: RestaurantReply = {
  restaurant_id: demoIds.restaurant,
  name: 'Trattoria Bella Vista',
  currency: 'EUR',
  active: true,
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
  active: true,
  created_at: '2026-11-22T18:00:00.000Z',
  updated_at: '2026-11-22T18:00:00.000Z',
}
