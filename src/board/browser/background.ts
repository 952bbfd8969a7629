import type { Follower } from '../../pages/browser/follow.ts'

/** A lock that no other tab has is granted within this time. */
const GRANT_MS = 200

/**
 * Of the tabs of a browser that show this board in the background and are to be heard, the first
 * one keeps its connection, and the next one when that tab is closed or shown. The others rest.
 */
export class Background {
  readonly #follower: Follower
  readonly #lockName: string
  #ending: AbortController | undefined

  constructor(follower: Follower, restaurantId: string) {
    this.#follower = follower
    this.#lockName = `board ${restaurantId}`
  }

  /** This tab is in the background. Pages without TLS have no locks, and keep their connections. */
  enter(): void {
    if (this.#ending || !isSecureContext) return
    const ending = new AbortController()
    this.#ending = ending
    const resting = setTimeout(() => this.#follower.rest(), GRANT_MS)
    const ended = new Promise<void>(done =>
      ending.signal.addEventListener('abort', () => {
        clearTimeout(resting)
        done()
      }),
    )
    const keepConnection = async () => {
      clearTimeout(resting)
      this.#follower.resume()
      await ended
    }
    // A request that still waits when this tab is shown is aborted.
    void navigator.locks.request(this.#lockName, ending, keepConnection).catch(() => undefined)
  }

  /** This tab is shown. */
  leave(): void {
    this.#ending?.abort()
    this.#ending = undefined
  }
}
