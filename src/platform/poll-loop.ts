const ERROR_BACKOFF_BASE_MS = 100
const ERROR_BACKOFF_MAX_MS = 2_000

export interface PollLoopOptions {
  /**
   * Does one piece of work.
   * @param isWoken false when the interval has passed without a wake-up: there may be nothing to do
   * @returns true to run again without waiting, because more is left
   */
  run: (isWoken: boolean) => Promise<boolean | void>
  /** the longest wait between two runs: work is found this late when its wake-up is lost */
  intervalMs: number
  /** the shortest time between the starts of two runs, however often the loop is woken */
  minIntervalMs?: number
  /** called with what a run threw; the run is repeated */
  onError: (error: unknown) => void
}

/**
 * Runs work at an interval and whenever it is woken. Runs do not overlap, and wake-ups during a run
 * cause one more run. A run that throws is repeated after 100 ms, doubling up to 2 s; wake-ups do
 * not shorten that wait.
 */
export class PollLoop {
  readonly #options: PollLoopOptions
  #running: Promise<void> | undefined
  #isStopping = false
  #isWoken = false
  /** ends the current wait, if there is one */
  #endWait: (() => void) | undefined
  #isWakeable = false

  constructor(options: PollLoopOptions) {
    this.#options = options
  }

  /**
   * Starts the loop, also while it is being stopped.
   * @param firstRunInMs the first run comes this late unless it is woken
   */
  start(firstRunInMs = 0): void {
    this.#isStopping = false
    this.#running ??= this.#loop(firstRunInMs)
  }

  /** Makes the loop run now, or again after the current run. */
  wake(): void {
    this.#isWoken = true
    if (this.#isWakeable) this.#endWait?.()
  }

  /** Starts no more runs. Resolves when the current run has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#endWait?.()
    await this.#running
  }

  async #loop(firstRunInMs: number): Promise<void> {
    await this.#waitUntilWoken(firstRunInMs)
    const { run, intervalMs, minIntervalMs = 0, onError } = this.#options
    let failures = 0
    while (!this.#isStopping) {
      const startedAt = performance.now()
      const isWoken = this.#isWoken
      this.#isWoken = false
      try {
        if (await run(isWoken)) this.#isWoken = true
        failures = 0
        await this.#wait(minIntervalMs - (performance.now() - startedAt))
        await this.#waitUntilWoken(intervalMs)
      } catch (error) {
        onError(error)
        this.#isWoken = true
        await this.#wait(Math.min(ERROR_BACKOFF_MAX_MS, ERROR_BACKOFF_BASE_MS * 2 ** failures++))
      }
    }
    // In the same turn as the last look at the flag, so that a start in between cannot be lost.
    this.#running = undefined
  }

  async #waitUntilWoken(ms: number): Promise<void> {
    if (this.#isWoken) return
    this.#isWakeable = true
    await this.#wait(ms)
    this.#isWakeable = false
  }

  async #wait(ms: number): Promise<void> {
    if (ms <= 0 || this.#isStopping) return
    await new Promise<void>(done => {
      const timer = setTimeout(done, ms)
      this.#endWait = () => {
        clearTimeout(timer)
        done()
      }
    })
    this.#endWait = undefined
  }
}
