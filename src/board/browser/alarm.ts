import type { News } from './news.ts'
import { Bell } from './sound.ts'

/** A new order rings this often, at this interval, until a person touches the board. */
const RING_COUNT = 3
const RING_AGAIN_MS = 20_000

/** Decides when the bell rings: for what happens, never for what was there already. */
export class Alarm {
  readonly bell: Bell
  #late: ReadonlySet<string> | undefined
  #ringsLeft = 0
  #rangMs = 0

  constructor(onChange: () => void) {
    this.bell = new Bell(onChange)
  }

  ringFor({ arrived, cancelled }: News): void {
    if (cancelled.length > 0) this.bell.ring('cancelled')
    if (arrived.length === 0) return
    this.bell.ring('new')
    this.#ringsLeft = RING_COUNT - 1
    this.#rangMs = performance.now()
  }

  /** A person touched the board: new orders have been seen. */
  silence(): void {
    this.#ringsLeft = 0
  }

  /**
   * Called once per second.
   * @param late ids of the late orders; the first ones are not news
   */
  tick(late: ReadonlySet<string>): void {
    const before = this.#late
    if (before && [...late].some(id => !before.has(id))) this.bell.ring('late')
    this.#late = late
    if (this.#ringsLeft === 0 || performance.now() - this.#rangMs < RING_AGAIN_MS) return
    this.#ringsLeft--
    this.#rangMs = performance.now()
    this.bell.ring('new')
  }
}
