import { ValidationFailed } from '../platform/errors.ts'

/** Whether a restaurant or a menu item takes orders. Decisions are pure. */
export interface Availability {
  /** time since which orders are refused; null: active */
  deactivated_at: Date | null
  /** time from which on orders are accepted again; null: until further notice, or active */
  inactive_until: Date | null
  inactive_reason: string | null
}

/** Changes by a client. An absent property stays unchanged. */
export interface AvailabilityChange {
  active?: boolean | undefined
  /** RFC 3339 */
  inactive_until?: string | null | undefined
  inactive_reason?: string | null | undefined
}

/** A row as it is stored: from `inactive_until` on, it counts as active, cleared or not. */
export interface StoredAvailability extends Availability {
  /** number of changes, from 1; the return is one */
  version: number
  /** whether `inactive_until` has passed by Postgres' clock, and the row is not cleared yet */
  has_returned: boolean
}

export const ACTIVE: Availability = { deactivated_at: null, inactive_until: null, inactive_reason: null }

/** How far ahead a return may be. */
const MAX_INACTIVE_DAYS = 366
const DAY_MS = 24 * 60 * 60 * 1_000

/** SQL expression for {@link StoredAvailability.has_returned}. */
export const hasReturnedSql = (row: string) => `coalesce(${row}.inactive_until <= clock_timestamp(), false)`

/** Returns a row as clients see it. */
export function asReturned<Row extends StoredAvailability>(row: Row): Row {
  return row.has_returned ? { ...row, ...ACTIVE, version: row.version + 1 } : row
}

/**
 * Returns the availability after a change. Deactivating again keeps the first time.
 * @param before as clients see it
 * @throws ValidationFailed when the time of the return has passed or is far ahead, or when there is
 *   a time or a reason but nothing is inactive
 */
export function changeAvailability(
  before: Availability,
  { active = before.deactivated_at === null, inactive_until, inactive_reason }: AvailabilityChange,
  now: Date,
): Availability {
  if (active) {
    const surplus = Object.entries({ inactive_until, inactive_reason }).filter(([, value]) => value != null)
    if (surplus.length === 0) return ACTIVE
    throw new ValidationFailed(
      surplus.map(([name]) => ({ pointer: `/${name}`, detail: 'needs "active": false' })),
    )
  }
  const after = {
    deactivated_at: before.deactivated_at ?? now,
    inactive_until: inactive_until === undefined ? before.inactive_until : toDate(inactive_until),
    inactive_reason: inactive_reason === undefined ? before.inactive_reason : inactive_reason,
  }
  if (inactive_until != null) assertReturn(after.inactive_until, now)
  return after
}

function assertReturn(until: Date | null, now: Date): void {
  const ms = (until?.getTime() ?? 0) - now.getTime()
  if (ms > 0 && ms <= MAX_INACTIVE_DAYS * DAY_MS) return
  const detail = ms > 0 ? `must be within ${MAX_INACTIVE_DAYS} days` : 'must be in the future'
  throw new ValidationFailed([{ pointer: '/inactive_until', detail }])
}

const toDate = (time: string | null) => (time === null ? null : new Date(time))
