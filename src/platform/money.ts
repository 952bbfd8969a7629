/**
 * Money is an integer number of minor units (cents, yen, fils) in memory and in the database, and a
 * decimal string in JSON. `Intl` provides the number of decimals of each ISO 4217 currency.
 */

/**
 * Maximum price in minor units. With the limits on lines and quantities, totals stay safe integers.
 */
export const MAX_PRICE_MINOR = 1_000_000_000

const currencies = new Set(Intl.supportedValuesOf('currency'))
const decimals = new Map<string, number>()

/** Returns whether `code` is a known ISO 4217 currency code. */
export function isCurrency(code: string): boolean {
  return currencies.has(code)
}

/** Returns the decimals of a currency: 2 for EUR, 0 for JPY, 3 for KWD. */
export function currencyDecimals(currency: string): number {
  const known = decimals.get(currency)
  if (known !== undefined) return known
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
  }).resolvedOptions()
  decimals.set(currency, maximumFractionDigits)
  return maximumFractionDigits
}

/** Returns minor units as a decimal string: `"12.50"` for `1250` and `EUR`. */
export function formatMoney(minor: number, currency: string): string {
  const places = currencyDecimals(currency)
  if (places === 0) return String(minor)
  const digits = String(minor).padStart(places + 1, '0')
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`
}

/**
 * Returns an amount in minor units: `1250` for `"12.5"`, `"12.50"` or `12.5` and `EUR`.
 * @returns null if the amount is not a plain non-negative decimal, has more decimals than the
 *   currency, or exceeds {@link MAX_PRICE_MINOR}
 */
export function parseMoney(amount: string | number, currency: string): number | null {
  const match = /^(\d{1,12})(?:\.(\d{1,12}))?$/.exec(String(amount))
  if (!match) return null
  const places = currencyDecimals(currency)
  const [, whole = '0', fraction = ''] = match
  if (fraction.length > places) return null
  const minor = Number(whole + fraction.padEnd(places, '0'))
  return minor <= MAX_PRICE_MINOR ? minor : null
}
