import { iso4217 } from '../../src/platform/iso-4217.ts'
import { formatMoney } from '../../src/platform/money.ts'
import type { NewMenuItem } from './api.ts'
import { type Cuisine, cuisines } from './cuisines.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface InventedRestaurant {
  name: string
  cuisine: string
  currency: string
  /** IANA name */
  timeZone: string
  /** in the order of the menu */
  items: NewMenuItem[]
}

/** As many restaurants as there are names for. */
export const MAX_RESTAURANT_COUNT = Math.min(
  100,
  cuisines.length * Math.min(...cuisines.map(({ kinds, owners }) => kinds.length * owners.length)),
)
/** A restaurant's price is this far from the usual one at most. */
const PRICE_SPREAD = 0.15
const MIN_STOCK = 30
const MAX_STOCK = 200
const STOCK_STEP = 5
const LOW_STOCK_SHARE = 0.1

/**
 * Restaurants of one cuisine after the other, each with a name of its own and `itemCount` dishes.
 * Pure: the same numbers give the same restaurants.
 */
export function inventRestaurants(
  random: SeededRandom,
  restaurantCount: number,
  itemCount: number,
): InventedRestaurant[] {
  const order = random.shuffled(cuisines).map(cuisine => ({ cuisine, names: inventNames(random, cuisine) }))
  return Array.from({ length: restaurantCount }, (_, index) => {
    const { cuisine, names } = order[index % order.length] as (typeof order)[number]
    const name = names[Math.floor(index / order.length)] as string
    const dishes = random.sample(Object.entries(cuisine.dishes), itemCount)
    const items = dishes.map(([dish, usual]) => inventItem(random, cuisine, dish, usual))
    const { cuisine: kind, currency, timeZone } = cuisine
    return { name, cuisine: kind, currency, timeZone, items }
  })
}

function inventNames(random: SeededRandom, { kinds, owners }: Cuisine): string[] {
  return random.shuffled(kinds.flatMap(kind => owners.map(owner => kind.replace('{}', owner))))
}

function inventItem(
  random: SeededRandom,
  { priceStepMinor, currency }: Cuisine,
  name: string,
  usualMinor: number,
): NewMenuItem {
  const steps = Math.round((usualMinor * random.between(1 - PRICE_SPREAD, 1 + PRICE_SPREAD)) / priceStepMinor)
  const available_qty = random.integer(MIN_STOCK / STOCK_STEP, MAX_STOCK / STOCK_STEP) * STOCK_STEP
  return {
    name,
    price: formatMoney(Math.max(1, steps) * priceStepMinor, iso4217.get(currency) ?? 2),
    available_qty,
    low_stock_threshold: Math.ceil(available_qty * LOW_STOCK_SHARE),
  }
}
