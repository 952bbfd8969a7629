/** Relative jitter of a wait, so that deliveries that failed together are retried apart. */
const JITTER = 0.2

/**
 * Returns the seconds from a failed attempt to the next one.
 * @param waits seconds after each failure; the last one applies to all further failures
 * @param failures earlier failures of the delivery
 * @param random 0..1
 */
export function secondsUntilRetry(waits: readonly number[], failures: number, random: number): number {
  const wait = waits[Math.min(failures, waits.length - 1)] ?? 0
  return wait * (1 - JITTER + 2 * JITTER * random)
}
