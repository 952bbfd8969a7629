import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from './seeded-random.ts'

/**
 * Returns the arrival times of independent customers (a Poisson process), in ms from the start. The
 * same seed gives the same times.
 */
export function* poissonArrivals(
  random: SeededRandom,
  ratePerSecond: number,
  durationMs: number,
): Generator<number> {
  const meanGapMs = 1_000 / ratePerSecond
  for (let at = random.exponential(meanGapMs); at < durationMs; at += random.exponential(meanGapMs)) yield at
}

/**
 * Calls `onArrival` at each time, as an open loop: it does not wait for the results of earlier
 * arrivals, and times that passed while the process was busy are caught up at once.
 * @param onArrival gets the scheduled time of the arrival, on the clock of `performance.now()`
 */
export async function runArrivals(
  times: Iterable<number>,
  signal: AbortSignal,
  onArrival: (dueAt: number) => void,
): Promise<void> {
  const start = performance.now()
  for (const time of times) {
    const waitMs = start + time - performance.now()
    if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    onArrival(start + time)
  }
}
