import { In } from 'typeorm'
import type { Sql, Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { NIL_UUID } from '../platform/ids.ts'
import { etagOf } from '../platform/precondition.ts'
import { asReturned, hasReturnedSql } from './availability.ts'
import { type MenuItem, MenuItemEntity, type Restaurant, type StoredMenuItem } from './inventory-entities.ts'

/** Reads one menu item with its restaurant. @throws NotFound */
export async function readMenuItem(tx: Tx, menuItemId: string): Promise<StoredMenuItem> {
  const [item] = await readMenuItems(tx, [menuItemId])
  if (!item) throw new NotFound('menu-item', menuItemId)
  return item
}

/** Reads menu items with their restaurants, as clients see them. */
export async function readMenuItems(tx: Tx, menuItemIds: readonly string[]): Promise<StoredMenuItem[]> {
  const items = await tx.entities.find(MenuItemEntity, {
    where: { menu_item_id: In([...menuItemIds]) },
    relations: { restaurant: true },
    order: { menu_item_id: 'asc' },
  })
  return items.map(item => changedByReturn(item))
}

/** The return of an item is its last change, unless its stock moved later. */
function changedByReturn<Item extends MenuItem>(item: Item): Item {
  const { has_returned, inactive_until, updated_at } = item
  if (!has_returned || inactive_until === null || inactive_until < updated_at) return asReturned(item)
  return { ...asReturned(item), updated_at: inactive_until, updated_us: inactive_until.getTime() * 1_000 }
}

/**
 * Returns the entity tag of an item. It also has the time, because stock movements keep the
 * version.
 */
export function menuItemTagOf({ version, updated_us }: StoredMenuItem): string {
  return etagOf(version, updated_us)
}

/** @throws NotFound */
export async function readRestaurant(sql: Sql, restaurantId: string): Promise<Restaurant> {
  const [restaurant] = await sql.query<Restaurant>(restaurantSql, [restaurantId])
  if (!restaurant) throw new NotFound('restaurant', restaurantId)
  return asReturned(restaurant)
}

/**
 * Returns restaurants in the order in which they were added.
 * @param after id of the last restaurant of the previous page
 * @param among ids of the restaurants to list; undefined: all
 */
export async function listRestaurants(
  sql: Sql,
  after: string | undefined,
  count: number,
  among?: ReadonlySet<string>,
): Promise<Restaurant[]> {
  const bounds = [after ?? NIL_UUID, count]
  const restaurants = among
    ? await sql.query<Restaurant>(restaurantsAmongSql, [...bounds, [...among]])
    : await sql.query<Restaurant>(restaurantsSql, bounds)
  return restaurants.map(asReturned)
}

/**
 * Returns menu items in the order in which they were added.
 * @param isLow whether to list items whose stock is low, or all others; undefined: both
 * @param after id of the last item of the previous page
 */
export async function listMenu(
  sql: Sql,
  restaurant: Restaurant,
  isLow: boolean | undefined,
  after: string | undefined,
  count: number,
): Promise<(MenuItem & { restaurant: Restaurant })[]> {
  const { restaurant_id } = restaurant
  const items = await sql.query<MenuItem>(menuSql, [restaurant_id, after ?? NIL_UUID, count, isLow])
  return items.map(item => ({ ...changedByReturn(item), restaurant }))
}

const restaurantColumns = `
  restaurant_id, name, currency, currency_decimals, time_zone, deactivated_at, inactive_until, inactive_reason,
  ${hasReturnedSql('restaurants')} as has_returned, version, created_at`

const restaurantSql = `
  select ${restaurantColumns}
  from restaurants
  where restaurant_id = $1
`

const restaurantsSql = `
  select ${restaurantColumns}
  from restaurants
  where restaurant_id > $1
  order by restaurant_id
  limit $2
`

const restaurantsAmongSql = `
  select ${restaurantColumns}
  from restaurants
  where restaurant_id = any($3::uuid[])
    and restaurant_id > $1
  order by restaurant_id
  limit $2
`

const menuSql = `
  select menu_item_id, restaurant_id, name, price_minor, available_qty, low_stock_threshold, low_since, deactivated_at,
    inactive_until, inactive_reason, ${hasReturnedSql('menu_items')} as has_returned, version, created_at, updated_at
  from menu_items
  where restaurant_id = $1
    and menu_item_id > $2
    and ($4::boolean is null or (low_since is not null) = $4)
  order by menu_item_id
  limit $3
`
