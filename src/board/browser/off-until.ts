/** How long an item or the restaurant takes no orders. */
export type Duration = 'hour' | 'morning' | 'for good'

const HOUR_MS = 60 * 60_000
/** Before any kitchen opens. */
const MORNING_HOUR = 6

/**
 * Returns when it takes orders again.
 * @param timeZone the restaurant's, whose morning is meant
 * @returns null: not by itself
 */
export function returnOf(duration: Duration, nowMs: number, timeZone: string): string | null {
  switch (duration) {
    case 'hour':
      return new Date(nowMs + HOUR_MS).toISOString()
    case 'morning':
      return new Date(nextMorningMs(nowMs, timeZone)).toISOString()
    case 'for good':
      return null
  }
}

/** The next morning after now: at 2:00, that of the same date. */
function nextMorningMs(nowMs: number, timeZone: string): number {
  const local = localMs(nowMs, timeZone)
  const morning = new Date(local).setUTCHours(MORNING_HOUR, 0, 0, 0)
  const wanted = morning > local ? morning : morning + 24 * HOUR_MS
  // Clocks may be changed in the night: the difference to UTC is that of the morning.
  const guess = wanted - (local - nowMs)
  return wanted - (localMs(guess, timeZone) - guess)
}

/** The time on a clock of the zone, as if that was UTC. */
function localMs(ms: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(Math.floor(ms / 1_000) * 1_000)
  const [year = 0, month = 1, ...rest] = (['year', 'month', 'day', 'hour', 'minute', 'second'] as const).map(
    type => Number(parts.find(part => part.type === type)?.value),
  )
  return Date.UTC(year, month - 1, ...(rest as [number, number, number, number])) + (ms % 1_000)
}

interface Availability {
  inactive_until: string | null
  inactive_reason: string | null
}

/**
 * Returns until when and why orders are refused, e.g. `until 19:00 (the oven is broken)`; an empty
 * text for good and without a reason.
 */
export function untilInWords(
  { inactive_until, inactive_reason }: Availability,
  nowMs: number,
  timeZone: string,
): string {
  const parts = [
    ...(inactive_until === null ? [] : [`until ${timeIn(timeZone, Date.parse(inactive_until), nowMs)}`]),
    ...(inactive_reason === null ? [] : [`(${inactive_reason})`]),
  ]
  return parts.join(' ')
}

/** The time, with the date when it is not today, and the zone when the device has another. */
function timeIn(timeZone: string, ms: number, nowMs: number): string {
  const day = (time: number) => new Date(time).toLocaleDateString('en-GB', { timeZone, dateStyle: 'short' })
  const time = new Date(ms).toLocaleTimeString('en-GB', { timeZone, timeStyle: 'short' })
  const date = new Date(ms).toLocaleDateString('en-GB', { timeZone, day: 'numeric', month: 'short' })
  const isOther = localMs(ms, timeZone) - ms !== -new Date(ms).getTimezoneOffset() * 60_000
  return `${day(ms) === day(nowMs) ? '' : `${date}, `}${time}${isOther ? ` (${timeZone})` : ''}`
}
