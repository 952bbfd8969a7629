const SECONDS = 60

/** Counts events of the last 60 s, with a resolution of 1 s. */
export class RollingCounter {
  readonly #counts: number[] = Array.from({ length: SECONDS }, () => 0)
  #second = 0

  /** @param now ms of a monotonic clock */
  add(count: number, now = performance.now()): void {
    this.#forget(now)
    const slot = this.#second % SECONDS
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count
  }

  count(now = performance.now()): number {
    this.#forget(now)
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  #forget(now: number): void {
    const second = Math.floor(now / 1_000)
    for (let past = 1; past <= Math.min(SECONDS, second - this.#second); past++)
      this.#counts[(this.#second + past) % SECONDS] = 0
    this.#second = second
  }
}
