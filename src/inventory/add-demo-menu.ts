import type { Tx } from '../db/transaction.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { addMenuItem } from './add-menu-item.ts'
import { addRestaurant } from './add-restaurant.ts'

const { restaurant: restaurant_id } = demoIds

const items = [
  { menu_item_id: demoIds.margherita, name: 'Pizza Margherita', price: '9.50', available_qty: 1_000 },
  { menu_item_id: demoIds.tiramisu, name: 'Tiramisù', price: '5.50', available_qty: 200 },
  { menu_item_id: demoIds.lemonade, name: 'Lemonade', price: '3.20', available_qty: 500 },
]

/**
 * Adds a restaurant with a small menu to an empty database, under the ids of the documented
 * examples.
 * @returns false when there are restaurants already
 */
export async function addDemoMenu(tx: Tx): Promise<boolean> {
  const [restaurant] = await tx.query('select 1 from restaurants limit 1')
  if (restaurant) return false
  await addRestaurant(tx, {
    restaurant_id,
    name: 'Trattoria Bella Vista',
    currency: 'EUR',
    time_zone: 'Europe/Rome',
  })
  for (const item of items)
    await addMenuItem(tx, { restaurant_id, ...item, low_stock_threshold: 20, trace: {} })
  return true
}
