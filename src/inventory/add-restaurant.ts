import type { Tx } from '../db/transaction.ts'
import { ValidationFailed } from '../platform/errors.ts'
import { iso4217 } from '../platform/iso-4217.ts'
import { assertTimeZone, DEFAULT_TIME_ZONE } from './assert-time-zone.ts'
import { ACTIVE } from './availability.ts'
import { type Restaurant, RestaurantEntity } from './inventory-entities.ts'

export interface AddRestaurant {
  restaurant_id: string
  name: string
  /** ISO 4217 */
  currency: string
  /** IANA name; optional, default UTC */
  time_zone?: string | undefined
}

/** Adds a restaurant. @throws ValidationFailed when the currency or time zone is unknown */
export async function addRestaurant(tx: Tx, request: AddRestaurant): Promise<Restaurant> {
  const { restaurant_id, name, currency, time_zone = DEFAULT_TIME_ZONE } = request
  const currency_decimals = iso4217.get(currency)
  if (currency_decimals === undefined)
    throw new ValidationFailed([{ pointer: '/currency', detail: `${currency} is not an ISO 4217 currency` }])
  await assertTimeZone(tx, time_zone)
  const restaurant = {
    restaurant_id,
    name,
    currency,
    currency_decimals,
    time_zone,
    ...ACTIVE,
    version: 1,
  }
  const { generatedMaps } = await tx.entities.insert(RestaurantEntity, restaurant)
  const [{ created_at }] = generatedMaps as [Pick<Restaurant, 'created_at'>]
  return { ...restaurant, has_returned: false, created_at }
}
