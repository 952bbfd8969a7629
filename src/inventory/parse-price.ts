import { ValidationFailed } from '../platform/errors.ts'
import { formatMoney, MAX_PRICE_MINOR, parseMoney } from '../platform/money.ts'
import type { Restaurant } from './inventory-entities.ts'

/**
 * Converts a price from a request to minor units, with the decimals of the restaurant.
 * @throws ValidationFailed when it does not fit the currency
 */
export function parsePrice(
  price: string | number,
  { currency, currency_decimals }: Pick<Restaurant, 'currency' | 'currency_decimals'>,
): number {
  const minor = parseMoney(price, currency_decimals)
  if (minor !== null) return minor
  const detail = `must be an amount in ${currency}: at most ${currency_decimals} decimals, at most ${formatMoney(MAX_PRICE_MINOR, currency_decimals)}`
  throw new ValidationFailed([{ pointer: '/price', detail }])
}
