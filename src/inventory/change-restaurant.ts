import type { Tx } from '../db/transaction.ts'
import type { TraceContext } from '../events/event.ts'
import { appendEvents } from '../outbox/append-event.ts'
import { now } from '../platform/clock.ts'
import { isChange } from '../platform/is-change.ts'
import { etagOf, type Precondition } from '../platform/precondition.ts'
import { assertTimeZone } from './assert-time-zone.ts'
import { type AvailabilityChange, changeAvailability } from './availability.ts'
import { restaurantChanged } from './changed-events.ts'
import { type Restaurant, RestaurantEntity } from './inventory-entities.ts'
import { returnRestaurants } from './return-to-menu.ts'
import { readRestaurant } from './stock-queries.ts'

/** Changes of a restaurant. An absent property stays unchanged. */
export interface ChangeRestaurant extends AvailabilityChange {
  restaurant_id: string
  name?: string | undefined
  /** IANA name */
  time_zone?: string | undefined
  precondition?: Precondition | undefined
  trace: TraceContext
}

/**
 * Changes a restaurant, under its lock, and appends `restaurant.changed.v1`. Placed orders are not
 * affected. A change to the same values keeps the version and appends no event.
 * @throws NotFound, ValidationFailed when the time zone is unknown, and the errors of the
 *   precondition and of {@link changeAvailability}
 */
export async function changeRestaurant(
  tx: Tx,
  { restaurant_id, name, time_zone, precondition, trace, ...availability }: ChangeRestaurant,
): Promise<Restaurant> {
  await tx.execute(lockSql, [restaurant_id])
  let restaurant = await readRestaurant(tx, restaurant_id)
  if (restaurant.has_returned) {
    appendEvents(tx, await returnRestaurants(tx, [restaurant_id], () => trace))
    restaurant = await readRestaurant(tx, restaurant_id)
  }
  precondition?.('restaurant', etagOf(restaurant.version))
  if (time_zone !== undefined) await assertTimeZone(tx, time_zone)
  const changes = {
    name: name ?? restaurant.name,
    time_zone: time_zone ?? restaurant.time_zone,
    ...changeAvailability(restaurant, availability, now()),
  }
  if (!isChange(restaurant, changes)) return restaurant
  const changed = { ...restaurant, ...changes, version: restaurant.version + 1 }
  await tx.entities.update(RestaurantEntity, { restaurant_id }, { ...changes, version: changed.version })
  appendEvents(tx, [restaurantChanged(restaurant, changed, trace)])
  return changed
}

const lockSql = `
  select 1
  from restaurants
  where restaurant_id = $1
  for no key update
`
