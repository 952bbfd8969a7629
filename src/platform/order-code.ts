/** Crockford's base 32: no I, L, O or U, which are mistaken for other characters or make words. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE_LENGTH = 4
const BITS_PER_DIGIT = 5

/**
 * Returns the short code of an order, by which people name it: four characters of Crockford's base
 * 32 from 20 random bits of its id, the ones above the last 12. Two orders have the same code with
 * a probability of one in a million; the id remains the key.
 */
export function orderCode(orderId: string): string {
  const bits = Number.parseInt(orderId.slice(-8, -3), 16)
  return Array.from({ length: CODE_LENGTH }, (_, index) =>
    DIGITS.charAt((bits >> (BITS_PER_DIGIT * (CODE_LENGTH - 1 - index))) & 31),
  ).join('')
}

/**
 * Returns the five hexadecimal digits of the ids with this code, which people may write in lower
 * case, with O for 0, and with I or L for 1. Undefined: the text is no code.
 */
export function codeDigitsOf(text: string): string | undefined {
  const code = text.toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  if (!ORDER_CODE.test(code)) return undefined
  const bits = Array.from(code).reduce((sum, digit) => sum * DIGITS.length + DIGITS.indexOf(digit), 0)
  return bits.toString(16).padStart(5, '0')
}

/** What every {@link orderCode} matches. */
export const ORDER_CODE = /^[0-9A-HJKMNP-TV-Z]{4}$/
