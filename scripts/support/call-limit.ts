/** Limits the number of concurrent calls. Further calls wait in order. */
export class CallLimit {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #inFlight = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** @throws the signal's reason if it is aborted before the call starts */
  async run<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    if (this.#inFlight >= this.#limit) await new Promise<void>(start => this.#waiting.push(start))
    else this.#inFlight++
    try {
      signal.throwIfAborted()
      return await call()
    } finally {
      // The next waiting call takes over this call's slot.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#inFlight--
    }
  }
}
