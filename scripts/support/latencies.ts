import { createHistogram } from 'node:perf_hooks'

/** A histogram of latencies in constant memory (HDR histogram, three significant digits). */
export class Latencies {
  readonly #histogramUs = createHistogram()

  record(ms: number): void {
    this.#histogramUs.record(Math.max(1, Math.round(ms * 1_000)))
  }

  get count(): number {
    return this.#histogramUs.count
  }

  /**
   * Returns a percentile in ms.
   * @param percent above 0, up to 100 for the maximum
   */
  percentile(percent: number): number {
    return this.#histogramUs.percentile(percent) / 1_000
  }
}
