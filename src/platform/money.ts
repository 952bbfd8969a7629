/**
 * Money is an integer count of the currency's minor unit (cents, yen, fils) in memory and in the database,
 * and a decimal string on the wire. The number of decimals comes from ISO 4217 by way of `Intl`.
 */

/** Largest amount one price may have, in minor units: with the limits on lines and quantities, totals stay exact. */
export const MAX_PRICE_MINOR = 1_000_000_000

const currencies = new Set(Intl.supportedValuesOf('currency'))
const decimals = new Map<string, number>()

/** Whether `code` is a currency code that amounts can be shown in. */
export function isCurrency(code: string): boolean {
  return currencies.has(code)
}

/** Decimals of the currency: 2 for EUR, 0 for JPY, 3 for KWD. */
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

/** `1250` and `EUR` give `"12.50"`. */
export function formatMoney(minor: number, currency: string): string {
  const places = currencyDecimals(currency)
  if (places === 0) return String(minor)
  const digits = String(minor).padStart(places + 1, '0')
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`
}

/**
 * `"12.5"`, `"12.50"` and `12.5` in `EUR` give `1250`.
 * @returns minor units, or null when it is not a plain non-negative decimal, has more decimals than the
 *   currency, or is over {@link MAX_PRICE_MINOR}
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
