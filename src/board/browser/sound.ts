export type Sound = 'new' | 'late' | 'cancelled'

/** Notes per sound: frequency in Hz, start and length in seconds. */
const melodies: Record<Sound, readonly (readonly [frequency: number, start: number, length: number])[]> = {
  new: [
    [880, 0, 0.15],
    [1_175, 0.16, 0.3],
  ],
  late: [
    [660, 0, 0.12],
    [660, 0.2, 0.12],
    [660, 0.4, 0.12],
  ],
  cancelled: [
    [523, 0, 0.25],
    [349, 0.27, 0.5],
  ],
}

const VOLUME = 0.3
/** A burst of orders rings once. */
const PAUSE_MS = 2_000

/**
 * Rings for what happens. Browsers allow sound only after a person has touched the page, so the
 * board shows whether it can be heard.
 */
export class Bell {
  #context: AudioContext | undefined
  readonly #rangMs = new Map<Sound, number>()
  readonly #onChange: () => void

  /** @param onChange called when {@link isAudible} may have changed */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  get isAudible(): boolean {
    return this.#context?.state === 'running'
  }

  /** Allows sound. Works only while a touch, click or key press is handled. */
  unlock(): void {
    if (!this.#context) {
      this.#context = new AudioContext()
      this.#context.addEventListener('statechange', this.#onChange)
    }
    void this.#context.resume()
  }

  async mute(): Promise<void> {
    await this.#context?.suspend()
  }

  /** @returns whether it can be heard, and did not ring just before */
  ring(sound: Sound): boolean {
    const context = this.#context
    const now = performance.now()
    const isSoon = now - (this.#rangMs.get(sound) ?? Number.NEGATIVE_INFINITY) < PAUSE_MS
    if (!context || context.state !== 'running' || isSoon) return false
    this.#rangMs.set(sound, now)
    for (const [frequency, start, length] of melodies[sound]) {
      const oscillator = new OscillatorNode(context, { type: 'triangle', frequency })
      const gain = new GainNode(context, { gain: VOLUME })
      const from = context.currentTime + start
      gain.gain.setValueAtTime(VOLUME, from)
      gain.gain.exponentialRampToValueAtTime(VOLUME / 100, from + length)
      oscillator.connect(gain).connect(context.destination)
      oscillator.start(from)
      oscillator.stop(from + length)
    }
    return true
  }
}
