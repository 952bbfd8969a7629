/** The wait of a loop between two looks, which others can cut short. One at a time. */
export class InterruptibleSleep {
  readonly #isOver: () => boolean
  #interrupt: (() => void) | undefined

  /** @param isOver whether the loop is to end: then there is no waiting any more */
  constructor(isOver: () => boolean) {
    this.#isOver = isOver
  }

  /** Resolves after `ms`, or when it is interrupted. */
  async take(ms: number): Promise<void> {
    if (ms <= 0 || this.#isOver()) return
    await new Promise<void>(done => {
      const timer = setTimeout(done, ms)
      this.#interrupt = () => {
        clearTimeout(timer)
        done()
      }
    })
    this.#interrupt = undefined
  }

  /** Ends the wait that is under way; the next is as long as it says. */
  interrupt(): void {
    this.#interrupt?.()
  }
}
