import { createParser } from 'eventsource-parser'
import { answerOf } from './api.ts'
import type { ServerClock } from './clock.ts'

/** What the board knows about its connection. */
export type Connection =
  /** no data yet, or not all of what was missed */
  | { state: 'connecting' }
  | { state: 'live' }
  /** `problem` says why, if an answer did */
  | { state: 'lost'; problem: string | undefined }
  /** this page is in the background and leaves the connection to others */
  | { state: 'resting' }
  | { state: 'signed-out' }
  /** the server refuses this restaurant to this caller; asked again every now and then */
  | { state: 'refused'; problem: string }

export interface StreamEvent {
  type: string
  data: unknown
  /** The server says that the client has everything up to here. Parts of a snapshot do not. */
  isComplete: boolean
}

export interface FollowOptions {
  url: string
  /** of each request */
  headers?: Record<string, string>
  clock: ServerClock
  onEvents: (events: StreamEvent[]) => void
  onConnection: (connection: Connection) => void
  /** Without any byte for this time, the line is dead. The server sends a heartbeat every 15 s. */
  silenceMs?: number
  /** After an answer with `Retry-After`, the next attempt is not before this time. */
  minRetrySeconds?: number
}

const SILENCE_MS = 35_000
/** After waking, a line that has been silent for longer than a heartbeat is not trusted. */
const WAKING_SILENCE_MS = 16_000
/** After waking, an attempt to connect that has taken longer than this is begun again. */
const PATIENCE_MS = 2_000
/** The headers of an answer have to come within this time. */
const HEADERS_MS = 10_000
const TICK_MS = 1_000
/** A timer that is later than this woke up with the device. */
const SLEPT_MS = 5_000
const MIN_DELAY_MS = 500
const MAX_DELAY_MS = 10_000
const REFUSED_DELAY_MS = 30_000
/** Statuses of answers that another attempt does not change soon. */
const REFUSALS = new Set([403, 404, 410])

const MIN_RETRY_AFTER_SECONDS = 0.5
const MAX_RETRY_AFTER_SECONDS = 60

/**
 * Follows an event stream for ever. The stream is read with `fetch`: a browser's EventSource gives
 * up after one answer with an error, and cannot see that a line is dead.
 */
export class Follower {
  readonly #options: FollowOptions
  #abort = new AbortController()
  #isStopped = false
  #isResting = false
  #lastEventId: string | undefined
  #failures = 0
  #isLive = false
  #lastByteMs = performance.now()
  #lastByteWallMs = Date.now()
  #heardMs: number | undefined
  #tickedWallMs = Date.now()
  #ticking: ReturnType<typeof setInterval> | undefined
  #wake: (() => void) | undefined

  constructor(options: FollowOptions) {
    this.#options = options
  }

  start(): void {
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
    void this.#run()
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#ticking)
    this.#abort.abort()
    this.#wake?.()
  }

  /** Time of the last byte by the server's clock: what is shown is true as of then. */
  get heardMs(): number | undefined {
    return this.#heardMs
  }

  /** Time since the last byte. The steady clock may stand still in sleep, and the other one not. */
  get #silenceMs(): number {
    return Math.max(performance.now() - this.#lastByteMs, Date.now() - this.#lastByteWallMs)
  }

  /** The device or the page woke up, or the network is back: does now what would be done later. */
  wake(): void {
    if (this.#isResting) return
    if (this.#wake) this.#wake()
    else if (this.#silenceMs > (this.#isLive ? WAKING_SILENCE_MS : PATIENCE_MS)) this.#reconnect()
  }

  /** Closes the connection until {@link resume}. */
  rest(): void {
    if (this.#isResting || this.#isStopped) return
    this.#isResting = true
    this.#abort.abort()
    this.#wake?.()
  }

  resume(): void {
    if (!this.#isResting) return
    this.#isResting = false
    this.#wake?.()
  }

  #tick(): void {
    const sleptMs = Date.now() - this.#tickedWallMs - TICK_MS
    this.#tickedWallMs = Date.now()
    if (this.#isResting) return
    if (sleptMs > SLEPT_MS) this.wake()
    const { silenceMs = SILENCE_MS } = this.#options
    if (!this.#wake && this.#silenceMs > silenceMs) this.#reconnect()
  }

  #reconnect(): void {
    this.#failures = 0
    this.#setConnection({ state: 'lost', problem: undefined })
    this.#abort.abort()
    this.#wake?.()
  }

  #setConnection(connection: Connection): void {
    this.#isLive = connection.state === 'live'
    if (!this.#isStopped) this.#options.onConnection(connection)
  }

  async #run(): Promise<void> {
    this.#setConnection({ state: 'connecting' })
    while (!this.#isStopped) {
      if (this.#isResting) {
        this.#setConnection({ state: 'resting' })
        await this.#sleep(undefined)
        continue
      }
      const delayMs = await this.#follow()
      if (!this.#isStopped && !this.#isResting) await this.#sleep(delayMs)
    }
  }

  /** Reads one connection to its end. @returns ms to wait before the next one */
  async #follow(): Promise<number> {
    this.#abort = new AbortController()
    const { signal } = this.#abort
    let response: Response
    try {
      this.#touch()
      response = await fetchWithin(HEADERS_MS, this.#options.url, {
        headers: {
          ...this.#options.headers,
          accept: 'text/event-stream',
          ...(this.#lastEventId === undefined ? {} : { 'last-event-id': this.#lastEventId }),
        },
        cache: 'no-store',
        abort: this.#abort,
      })
      this.#options.clock.observe(response.headers.get('date'))
      if (!isStream(response)) return await this.#refused(response)
      await this.#read(response, signal)
    } catch {
      // An aborted or broken connection. The next one says more.
    }
    if (!this.#isResting) this.#setConnection({ state: 'lost', problem: undefined })
    return this.#nextDelay()
  }

  async #refused(response: Response): Promise<number> {
    const { status, problem = '', retryAfterSeconds, body } = answerOf(response, await response.text())
    if (status === 400 && (body as { code?: string } | undefined)?.code === 'resume-point-invalid') {
      this.#lastEventId = undefined
      return 0
    }
    if (status === 401) {
      this.#setConnection({ state: 'signed-out' })
      return REFUSED_DELAY_MS
    }
    if (REFUSALS.has(status)) {
      this.#setConnection({ state: 'refused', problem })
      return REFUSED_DELAY_MS
    }
    this.#setConnection({ state: 'lost', problem })
    if (retryAfterSeconds === undefined) return this.#nextDelay()
    const { minRetrySeconds = MIN_RETRY_AFTER_SECONDS } = this.#options
    const seconds = Math.min(Math.max(retryAfterSeconds, minRetrySeconds), MAX_RETRY_AFTER_SECONDS)
    return seconds * 1_000 * (1 + Math.random() / 2)
  }

  async #read(response: Response, signal: AbortSignal): Promise<void> {
    let events: StreamEvent[] = []
    let id: string | undefined
    let isCaughtUp = false
    const parser = createParser({
      onId: value => (id = value),
      onEvent: ({ id: eventId, event = 'message', data }) => {
        events.push({ type: event, data: JSON.parse(data), isComplete: eventId !== undefined })
      },
      // The API comments when it has sent what was missed, and later when there is nothing to send.
      onComment: () => (isCaughtUp = true),
    })
    const decoder = new TextDecoder()
    for await (const chunk of chunksOf(response)) {
      if (signal.aborted) return
      this.#touch()
      this.#heardMs = this.#options.clock.nowMs()
      this.#failures = 0
      parser.feed(decoder.decode(chunk, { stream: true }))
      if (events.length > 0) this.#options.onEvents(events)
      events = []
      // Only after the events are in the state does a reconnect begin behind them.
      this.#lastEventId = id ?? this.#lastEventId
      if (isCaughtUp && !this.#isLive) this.#setConnection({ state: 'live' })
    }
  }

  #touch(): void {
    this.#lastByteMs = performance.now()
    this.#lastByteWallMs = Date.now()
  }

  /** At random, so that the boards of a city do not all return at once. */
  #nextDelay(): number {
    const most = Math.min(MAX_DELAY_MS, 2 * MIN_DELAY_MS * 2 ** this.#failures++)
    return MIN_DELAY_MS + Math.random() * (most - MIN_DELAY_MS)
  }

  async #sleep(ms: number | undefined): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>(done => {
      this.#wake = done
      if (ms !== undefined) timer = setTimeout(done, ms)
    })
    clearTimeout(timer)
    this.#wake = undefined
  }
}

function isStream({ status, headers }: Response): boolean {
  return status === 200 && (headers.get('content-type') ?? '').startsWith('text/event-stream')
}

/** Aborts when the headers of the answer do not come in time. */
async function fetchWithin(
  ms: number,
  url: string,
  { abort, ...init }: Omit<RequestInit, 'signal'> & { abort: AbortController },
): Promise<Response> {
  const timer = setTimeout(() => abort.abort(), ms)
  try {
    return await fetch(url, { ...init, signal: abort.signal })
  } finally {
    clearTimeout(timer)
  }
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader()
  if (!reader) return
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}
