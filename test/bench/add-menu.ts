import type { BenchSystem } from './bench-system.ts'
import type { Menu } from './limit.ts'

const ITEM_COUNT = 100
/** It never runs out, and never becomes low. */
const STOCK = 1_000_000_000

/** A restaurant with its menu, added by the API. */
export async function addMenu(system: BenchSystem, itemCount = ITEM_COUNT): Promise<Menu> {
  await system.run(['api'])
  const { restaurant_id } = await system.api.addRestaurant({ name: 'Bench', currency: 'EUR' })
  const menu_item_ids: string[] = []
  for (let number = 1; number <= itemCount; number++) {
    const item = { name: `Dish ${number}`, price: '9.50', available_qty: STOCK, low_stock_threshold: 0 }
    menu_item_ids.push((await system.api.addMenuItem(restaurant_id, item)).menu_item_id)
  }
  return { restaurant_id, menu_item_ids }
}
