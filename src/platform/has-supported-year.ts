/** RFC 3339 has no year beyond 9999, and Postgres no year 0. */
export const [MIN_YEAR, MAX_YEAR] = [1, 9999]

/**
 * Returns whether the year of a time is in a range, in UTC: an offset can move a time with four
 * digits of a year out of the range of years.
 */
export function hasSupportedYear(time: Date, min = MIN_YEAR, max = MAX_YEAR): boolean {
  const year = time.getUTCFullYear()
  return year >= min && year <= max
}
