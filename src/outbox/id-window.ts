import { nowMs } from '../platform/clock.ts'
import { firstIdOf, MAX_UUID, NIL_UUID, timeOfId } from '../platform/ids.ts'

/**
 * Ids between two bounds, the second exclusive. A scan with such bounds reads only the partitions
 * that overlap them. A partition holds a minute or more, so a window of a minute reads at most two.
 */
export interface IdWindow {
  from: string
  until: string
}

const WINDOW_MS = 60_000
/** The age of an event at which a woken dispatcher leaves it to the next search for others. */
const FRESH_MS = 10_000

export const everyId: IdWindow = { from: NIL_UUID, until: MAX_UUID }

/** Returns the window of ids that events have when they are committed without delay. */
export function freshWindow(): IdWindow {
  const fromMs = nowMs() - FRESH_MS
  return { from: firstIdOf(fromMs), until: firstIdOf(fromMs + WINDOW_MS) }
}

/** Returns the window that begins with this id. */
export function windowFrom(id: string): IdWindow {
  return { from: id, until: firstIdOf(timeOfId(id).getTime() + WINDOW_MS) }
}
