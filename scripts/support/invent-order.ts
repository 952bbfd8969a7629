import type { NewOrder } from './api.ts'
import type { SeededRandom } from './seeded-random.ts'

/** The items of one restaurant. */
export interface Menu {
  restaurant_id: string
  menu_item_ids: readonly string[]
}

const MAX_LINE_COUNT = 4
const MAX_QUANTITY = 3
const CUSTOMER_COUNT = 500
const NOTES_SHARE = 0.15

const notes = [
  'no onions, please',
  'extra spicy',
  'ring twice, the bell is weak',
  'allergic to nuts',
  'sauce on the side',
  'leave it at the door',
  'cutlery for two',
  'second floor, left',
]

/**
 * Returns a random order from one of the menus. Pure: the same random numbers give the same order.
 */
export function inventOrder(random: SeededRandom, menus: readonly Menu[]): NewOrder {
  const { restaurant_id, menu_item_ids } = random.pick(menus)
  const wanted = random.sample(menu_item_ids, random.integer(1, MAX_LINE_COUNT))
  return {
    restaurant_id,
    items: wanted.map(menu_item_id => ({ menu_item_id, quantity: inventQuantity(random) })),
    customer_id: `customer-${random.integer(1, CUSTOMER_COUNT)}`,
    ...(random.chance(NOTES_SHARE) ? { notes: random.pick(notes) } : {}),
  }
}

/** Returns a quantity from 1 to MAX_QUANTITY, where 1 is the most frequent. */
function inventQuantity(random: SeededRandom): number {
  return Math.min(random.integer(1, MAX_QUANTITY), random.integer(1, MAX_QUANTITY))
}
