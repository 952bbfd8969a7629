/** So far a wait may differ, so that what failed together is not tried again together. */
const JITTER = 0.2

/**
 * How long a delivery waits after a failed attempt.
 * @param waits seconds after each; after the last of them as before
 * @param failures before this one
 * @param random 0..1
 */
export function secondsUntilRetry(waits: readonly number[], failures: number, random: number): number {
  const wait = waits[Math.min(failures, waits.length - 1)] ?? 0
  return wait * (1 - JITTER + 2 * JITTER * random)
}
