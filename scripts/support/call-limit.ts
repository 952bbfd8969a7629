/** Lets so many calls be under way at once; the others wait their turn. */
export class CallLimit {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #underWay = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * @throws the signal's reason when it was aborted before the call's turn came; then the call is
   * not made
   */
  async run<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    if (this.#underWay >= this.#limit) await new Promise<void>(turn => this.#waiting.push(turn))
    else this.#underWay++
    try {
      signal.throwIfAborted()
      return await call()
    } finally {
      // The place goes to the next in line, or is given up.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#underWay--
    }
  }
}
