import type { Api } from './api.ts'
import type { Menu } from './invent-order.ts'
import { type InventedRestaurant, inventRestaurants } from './invent-restaurants.ts'
import { SeededRandom } from './seeded-random.ts'

export interface MenuChoice {
  seed: number
  /** ids of the restaurants to order at */
  restaurant: readonly string[]
  /** ids of the menu items to order */
  item: readonly string[]
  expectedOrderCount: number
}

const RESTAURANT_COUNT = 3
const DISH_COUNT = 10
/** Average portions per order over all dishes; more than `inventOrder` orders. */
const PORTIONS_PER_ORDER = 4
/** Stock of all other dishes: this multiple of the expected demand, plus PLENTY_MIN. */
const PLENTY_FACTOR = 4
const PLENTY_MIN = 100
/**
 * Stock of the first dish as a share of the expected demand, so that some of its orders end out of
 * stock.
 */
const SCARCE_SHARE = 0.6

/**
 * Returns the menus to order from: the named items, and a new menu for each named restaurant that
 * has none of these items. Without any names, creates restaurants with menus.
 * @throws ApiProblem for an id that does not exist
 */
export async function chooseMenus(api: Api, choice: MenuChoice): Promise<Menu[]> {
  const { seed, restaurant, item } = choice
  const menus = await groupByRestaurant(api, item)
  const without = restaurant.filter(id => !menus.some(({ restaurant_id }) => restaurant_id === id))
  const ownCount = restaurant.length + item.length === 0 ? RESTAURANT_COUNT : 0
  const invented = inventRestaurants(
    new SeededRandom(seed, 'restaurants'),
    ownCount + without.length,
    DISH_COUNT,
  )
  for (const [index, one] of invented.entries()) {
    menus.push(await addMenu(api, without[index], one, choice.expectedOrderCount / invented.length))
  }
  return menus
}

async function groupByRestaurant(api: Api, menuItemIds: readonly string[]): Promise<Menu[]> {
  const menus = new Map<string, string[]>()
  for (const id of menuItemIds) {
    const { restaurant_id } = await api.readMenuItem(id)
    menus.set(restaurant_id, [...(menus.get(restaurant_id) ?? []), id])
  }
  return [...menus].map(([restaurant_id, menu_item_ids]) => ({ restaurant_id, menu_item_ids }))
}

async function addMenu(
  api: Api,
  existingId: string | undefined,
  { name, currency, timeZone: time_zone, items }: InventedRestaurant,
  orderCount: number,
): Promise<Menu> {
  const restaurant_id = existingId ?? (await api.addRestaurant({ name, currency, time_zone })).restaurant_id
  const demand = (orderCount * PORTIONS_PER_ORDER) / items.length
  const menu_item_ids: string[] = []
  for (const [index, item] of items.entries()) {
    const available_qty = Math.ceil(index === 0 ? SCARCE_SHARE * demand : PLENTY_FACTOR * demand + PLENTY_MIN)
    // The currency of an existing restaurant is unknown; whole amounts are valid in every currency.
    const price = existingId ? String(Math.ceil(Number(item.price))) : item.price
    const added = await api.addMenuItem(restaurant_id, { ...item, price, available_qty })
    menu_item_ids.push(added.menu_item_id)
  }
  return { restaurant_id, menu_item_ids }
}
