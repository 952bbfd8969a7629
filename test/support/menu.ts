import type { Api } from '../../scripts/support/api.ts'
import type { Menu } from './pipeline.ts'

/** Creates a restaurant with `itemCount` menu items, each with `stock` units, through the API. */
export async function createMenu(
  api: Api,
  { name, itemCount, stock }: { name: string; itemCount: number; stock: number },
): Promise<Menu> {
  const { restaurant_id } = await api.addRestaurant({ name, currency: 'EUR' })
  const menu_item_ids: string[] = []
  for (let number = 1; number <= itemCount; number++) {
    const item = { name: `Dish ${number}`, price: '9.50', available_qty: stock }
    menu_item_ids.push((await api.addMenuItem(restaurant_id, item)).menu_item_id)
  }
  return { restaurant_id, menu_item_ids }
}
