/**
 * Money is an integer number of minor units (cents, yen, fils) in memory and in the database, and a
 * decimal string in JSON. Amounts are read and written with the decimals that are stored with their
 * restaurant or order, so that no table of currencies can change what a stored amount means.
 */

/**
 * Maximum price in minor units. With the limits on lines and quantities, totals stay safe integers.
 */
export const MAX_PRICE_MINOR = 1_000_000_000

/** Returns an amount as a decimal string: `"12.50"` for `1250` and 2 decimals. */
export function formatMoney(minor: number | bigint, decimals: number): string {
  if (decimals === 0) return String(minor)
  const digits = String(minor).padStart(decimals + 1, '0')
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}

/**
 * Returns an amount in minor units: `1250` for `"12.5"`, `"12.50"` or `12.5` and 2 decimals.
 * Returns null for anything but a plain non-negative decimal, and when the amount has more decimals
 * or is over {@link MAX_PRICE_MINOR}.
 */
export function parseMoney(amount: string | number, decimals: number): number | null {
  const match = /^(\d{1,12})(?:\.(\d{1,12}))?$/.exec(String(amount))
  if (!match) return null
  const [, whole = '0', fraction = ''] = match
  if (fraction.length > decimals) return null
  const minor = Number(whole + fraction.padEnd(decimals, '0'))
  return minor <= MAX_PRICE_MINOR ? minor : null
}
