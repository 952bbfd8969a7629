import type { Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { isChange } from '../platform/is-change.ts'
import { etagOf, type Precondition } from '../platform/precondition.ts'
import { assertTimeZone } from './assert-time-zone.ts'
import { deactivatedAt } from './change-menu-item.ts'
import { type Restaurant, RestaurantEntity } from './inventory-entities.ts'

/** Changes of a restaurant. An absent property stays unchanged. */
export interface ChangeRestaurant {
  restaurant_id: string
  name?: string | undefined
  /** IANA name */
  time_zone?: string | undefined
  /** false: new orders are refused */
  active?: boolean | undefined
  precondition?: Precondition | undefined
}

/**
 * Changes a restaurant, under its lock. Placed orders are not affected. A change to the same
 * values keeps the version.
 * @throws NotFound, ValidationFailed when the time zone is unknown, and the errors of the
 *   precondition
 */
export async function changeRestaurant(
  tx: Tx,
  { restaurant_id, name, time_zone, active, precondition }: ChangeRestaurant,
): Promise<Restaurant> {
  await tx.execute(lockSql, [restaurant_id])
  const restaurant = await tx.entities.findOneBy(RestaurantEntity, { restaurant_id })
  if (!restaurant) throw new NotFound('restaurant', restaurant_id)
  precondition?.('restaurant', etagOf(restaurant.version))
  if (time_zone !== undefined) await assertTimeZone(tx, time_zone)
  const changes = {
    name: name ?? restaurant.name,
    time_zone: time_zone ?? restaurant.time_zone,
    deactivated_at: deactivatedAt(restaurant.deactivated_at, active),
  }
  if (!isChange(restaurant, changes)) return restaurant
  const version = restaurant.version + 1
  await tx.entities.update(RestaurantEntity, { restaurant_id }, { ...changes, version })
  return { ...restaurant, ...changes, version }
}

const lockSql = `
  select 1
  from restaurants
  where restaurant_id = $1
  for no key update
`
