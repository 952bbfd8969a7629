import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from './seeded-random.ts'

/**
 * Times of arrival of customers who know nothing of each other, in ms from the start. The same
 * seed, the same times.
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
 * Calls `onArrival` at each time, open loop: it never waits for what came of an earlier one, and
 * times that passed while the process was busy are made up for at once.
 * @param onArrival gets the time at which it was due, on the clock of `performance.now()`
 */
export async function runArrivals(
  times: Iterable<number>,
  signal: AbortSignal,
  onArrival: (dueAt: number) => void,
): Promise<void> {
  const start = performance.now()
  for (const time of times) {
    const early = start + time - performance.now()
    if (early > 0) await delay(early, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    onArrival(start + time)
  }
}
