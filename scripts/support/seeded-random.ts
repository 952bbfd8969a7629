/**
 * Pseudorandom numbers that are the same for the same seed on every machine. Not for secrets. The
 * generator is sfc32 (Doty-Humphrey, PractRand), its state filled from the seed by FNV-1a.
 */
export class SeededRandom {
  readonly #state = new Uint32Array(4)

  /**
   * @param stream name of an independent sequence under the seed: drawing from one sequence does
   *   not change others
   */
  constructor(seed: number, stream: string) {
    for (let word = 0; word < 3; word++) this.#state[word] = fnv1a(`${seed}/${stream}/${word}`)
    this.#state[3] = 1
    for (let round = 0; round < MIXING_ROUND_COUNT; round++) this.fraction()
  }

  /** Returns a number from 0 to below 1, in steps of 2^-32. */
  fraction(): number {
    const [a = 0, b = 0, c = 0, counter = 0] = this.#state
    const result = (a + b + counter) >>> 0
    this.#state[0] = b ^ (b >>> 9)
    this.#state[1] = c + (c << 3)
    this.#state[2] = ((c << 21) | (c >>> 11)) + result
    this.#state[3] = counter + 1
    return result / 2 ** 32
  }

  /** Returns a whole number from `min` to `max`. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1))
  }

  /** Returns a number from `min` to below `max`. */
  between(min: number, max: number): number {
    return min + this.fraction() * (max - min)
  }

  /** Returns the time to the next event of a Poisson process. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction())
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  /** @throws RangeError when `from` is empty */
  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new RangeError('nothing to pick from')
    return from[this.integer(0, from.length - 1)] as T
  }

  /** Returns at most `count` distinct items, in their original order. */
  sample<T>(from: readonly T[], count: number): T[] {
    const chosen = new Set(this.shuffled(from.map((_, index) => index)).slice(0, count))
    return from.filter((_, index) => chosen.has(index))
  }

  shuffled<T>(from: readonly T[]): T[] {
    const items = [...from]
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.integer(0, last)
      ;[items[last], items[other]] = [items[other] as T, items[last] as T]
    }
    return items
  }
}

/** Number of discarded draws, after which similar seeds are uncorrelated. */
const MIXING_ROUND_COUNT = 12

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
