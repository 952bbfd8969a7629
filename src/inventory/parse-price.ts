import { ValidationFailed } from '../platform/errors.ts'
import { currencyDecimals, formatMoney, MAX_PRICE_MINOR, parseMoney } from '../platform/money.ts'

/**
 * Converts a price from a request to minor units.
 * @throws ValidationFailed when it does not fit the currency
 */
export function parsePrice(price: string | number, currency: string): number {
  const minor = parseMoney(price, currency)
  if (minor !== null) return minor
  const detail = `must be an amount in ${currency}: at most ${currencyDecimals(currency)} decimals, at most ${formatMoney(MAX_PRICE_MINOR, currency)}`
  throw new ValidationFailed([{ pointer: '/price', detail }])
}
