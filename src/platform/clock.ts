/**
 * The time of the database, as this process estimates it. Times and ids that several processes
 * write are compared with each other and with times that Postgres writes, so that all of them
 * follow one clock, however wrong the clocks of the machines are.
 *
 * The estimate is the monotonic clock of the process plus a measured offset: a step of the system
 * clock does not change it.
 */

/** The offset to the database has not been measured yet. */
class ClockUnknown extends Error {
  override name = 'ClockUnknown'

  constructor() {
    super('the time is unknown until a database has been opened')
  }
}

interface Estimate {
  /** time of the database minus `performance.now()` */
  offsetMs: number
  /** how wrong `offsetMs` was at most when it was measured */
  errorMs: number
  /** when it was measured, by `performance.now()` */
  measuredAt: number
}

/** How far two clocks drift apart: more than the crystals of two machines do. */
const DRIFT = 100e-6

let estimate: Estimate | undefined

/** Returns the time of the database in whole ms since 1970. @throws ClockUnknown */
export function nowMs(): number {
  if (!estimate) throw new ClockUnknown()
  return Math.floor(performance.now() + estimate.offsetMs)
}

/** Returns the time of the database. @throws ClockUnknown */
export function now(): Date {
  return new Date(nowMs())
}

/**
 * Records the time that the database returned to a query. Half of the round trip is its greatest
 * error. A less precise measurement is used only when the current estimate may have drifted as far,
 * or contradicts it: the database was replaced, or this machine was suspended.
 * @param sentAt when the query was sent, by `performance.now()`
 */
export function addClockSample(sentAt: number, databaseMs: number, receivedAt = performance.now()): void {
  const sample = {
    offsetMs: databaseMs - (sentAt + receivedAt) / 2,
    errorMs: (receivedAt - sentAt) / 2,
    measuredAt: receivedAt,
  }
  const errorMs = estimate
    ? estimate.errorMs + (receivedAt - estimate.measuredAt) * DRIFT
    : Number.POSITIVE_INFINITY
  const isBetter = sample.errorMs <= errorMs
  const isContradiction = estimate && Math.abs(sample.offsetMs - estimate.offsetMs) > sample.errorMs + errorMs
  if (isBetter || isContradiction) estimate = sample
}

/**
 * Returns by how many ms the system clock is ahead of the clock of the database; negative: behind.
 * @throws ClockUnknown
 */
export function systemClockSkewMs(): number {
  return Date.now() - nowMs()
}
