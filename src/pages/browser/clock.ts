/** The server's clock, as far as the board knows it: the clock of a tablet may be wrong. */
export class ServerClock {
  #offsetMs = 0
  #isKnown = false
  readonly #steadyMs: () => number

  /** @param steadyMs a clock that never jumps, of any beginning */
  constructor(steadyMs = () => performance.now()) {
    this.#steadyMs = steadyMs
  }

  /** Takes the time from the `Date` header of an answer, which has whole seconds. */
  observe(date: string | null): void {
    const serverMs = date === null ? Number.NaN : Date.parse(date)
    if (Number.isNaN(serverMs)) return
    const offsetMs = serverMs + HALF_SECOND_MS - this.#steadyMs()
    // Within a second, the difference is the rounding of the header.
    if (this.#isKnown && Math.abs(offsetMs - this.#offsetMs) < 2 * HALF_SECOND_MS) return
    this.#offsetMs = offsetMs
    this.#isKnown = true
  }

  /** Returns the server's time in ms since 1970; before the first answer that of this device. */
  nowMs(): number {
    return this.#isKnown ? this.#offsetMs + this.#steadyMs() : Date.now()
  }
}

const HALF_SECOND_MS = 500
const MINUTE_MS = 60_000

/** Returns an age in words, e.g. `12 min` or `1 h 5 min`. */
export function ageInWords(ageMs: number): string {
  const minutes = Math.max(0, Math.floor(ageMs / MINUTE_MS))
  if (minutes === 0) return 'just now'
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes} min` : `${hours} h ${minutes % 60} min`
}

/** Returns an age as a screen reader says it, e.g. `12 minutes` or `1 hour 5 minutes`. */
export function spokenAge(ageMs: number): string {
  return ageInWords(ageMs)
    .replace(/(\d+) h\b/, (_, hours: string) => counted(hours, 'hour'))
    .replace(/(\d+) min\b/, (_, minutes: string) => counted(minutes, 'minute'))
}

function counted(count: string, unit: string): string {
  return `${count} ${unit}${count === '1' ? '' : 's'}`
}

/** How long people have waited: by the thresholds of this screen. */
export type Urgency = 'fresh' | 'soon' | 'late'

export function urgencyOf(ageMs: number, limits: { soonMinutes: number; lateMinutes: number }): Urgency {
  const minutes = ageMs / MINUTE_MS
  if (minutes >= limits.lateMinutes) return 'late'
  return minutes >= limits.soonMinutes ? 'soon' : 'fresh'
}

/** Returns a time of the server as a clock on the wall of this device shows it, e.g. `19:04:12`. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB')
}
