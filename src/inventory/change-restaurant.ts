import type { Tx } from '../db/transaction.ts'
import { NotFound, StaleVersion } from '../platform/errors.ts'
import { deactivatedAt } from './change-menu-item.ts'
import { type Restaurant, RestaurantEntity } from './inventory-entities.ts'

/** Changes of a restaurant. An absent property stays unchanged. */
export interface ChangeRestaurant {
  restaurant_id: string
  name?: string | undefined
  /** false: new orders are refused */
  active?: boolean | undefined
  /** acceptable current versions (`If-Match`); optional, default any */
  versions?: readonly number[] | undefined
}

/**
 * Changes a restaurant, under its lock. Placed orders are not affected.
 * @throws NotFound; StaleVersion
 */
export async function changeRestaurant(
  tx: Tx,
  { restaurant_id, name, active, versions }: ChangeRestaurant,
): Promise<Restaurant> {
  await tx.execute(lockSql, [restaurant_id])
  const restaurant = await tx.entities.findOneBy(RestaurantEntity, { restaurant_id })
  if (!restaurant) throw new NotFound('restaurant', restaurant_id)
  if (versions && !versions.includes(restaurant.version))
    throw new StaleVersion('restaurant', restaurant.version)
  const changes = {
    name: name ?? restaurant.name,
    deactivated_at: deactivatedAt(restaurant.deactivated_at, active, new Date()),
    version: restaurant.version + 1,
  }
  await tx.entities.update(RestaurantEntity, { restaurant_id }, changes)
  return { ...restaurant, ...changes }
}

const lockSql = `
  select 1
  from restaurants
  where restaurant_id = $1
  for no key update
`
