import { isDeepStrictEqual } from 'node:util'

/** Returns whether any of the changes differs from the current value. */
export function isChange<Row extends object>(current: Row, changes: Partial<Row>): boolean {
  return Object.entries(changes).some(
    ([name, value]) => !isDeepStrictEqual(value, current[name as keyof Row]),
  )
}
