import type { ServerResponse } from 'node:http'
import { type Caller, canAccess } from '../../platform/caller.ts'
import { ExpectedError, Overloaded, TooManyStreams } from '../../platform/errors.ts'
import type { Logger } from '../../platform/log.ts'
import { Semaphore } from '../../platform/semaphore.ts'
import type { StreamReply } from '../route-reply.ts'
import { SseStream } from './event-stream.ts'
import { countDropped, countOpen, recordLimit, type StreamAudience } from './stream-metrics.ts'

export interface StreamLimits {
  /** open streams of this process */
  maxCount: number
  /** open streams of this process per authenticated caller */
  maxPerCallerCount: number
  /** idle time after which a stream gets a heartbeat */
  heartbeatMs: number
  /**
   * interval of reauthorization; with the authenticator's cache, revocation takes less than a
   * minute
   */
  recheckMs: number
}

const SWEEP_MS = 1_000
/** Streams that read their snapshot concurrently. Waiting ones hold no database connection. */
const OPENING_COUNT = 4

interface OpenStream {
  stream: SseStream
  caller: Caller
  restaurantId: string
  recheck: () => Promise<Caller>
  checkedAt: number
  isBeingChecked: boolean
}

/** Authenticates the caller of an open stream again. @throws unauthenticated, forbidden */
export type Recheck = () => Promise<Caller>

/**
 * The event streams of this process to one audience: limits their number, sends heartbeats and
 * reauthorizes callers.
 */
export class EventStreams {
  readonly #limits: StreamLimits
  readonly #log: Logger
  readonly #audience: StreamAudience
  readonly #open = new Set<OpenStream>()
  readonly #byCaller = new Map<string, number>()
  readonly #opening = new Semaphore(OPENING_COUNT)
  #count = 0
  #draining = false
  #timer: NodeJS.Timeout | undefined

  constructor(limits: StreamLimits, log: Logger, audience: StreamAudience = 'callers') {
    this.#limits = limits
    this.#log = log
    this.#audience = audience
    recordLimit(audience, limits.maxCount)
  }

  /** Whether further streams are refused. Without any stream allowed, they are turned off. */
  get isFull(): boolean {
    return this.#limits.maxCount > 0 && this.#count >= this.#limits.maxCount
  }

  /**
   * Opens a stream within the limits. `prepare` reads the data for its beginning.
   * @returns whether there is a stream: with false, nothing is sent and the response is 204
   * @throws Overloaded, TooManyStreams and the errors of `prepare`
   */
  async open(
    response: ServerResponse,
    caller: Caller,
    recheck: Recheck,
    prepare: () => Promise<StreamReply>,
  ): Promise<boolean> {
    const release = this.#reserve(caller)
    let reply: StreamReply
    try {
      reply = await this.#opening.take(prepare)
    } catch (error) {
      release()
      throw error
    }
    const { start, restaurantId } = reply
    if (!start) {
      release()
      return false
    }
    if (response.closed || this.#draining) {
      release()
      response.destroy()
      return true
    }
    const stream = new SseStream(response, () => {
      this.#log.info({ caller: caller.id }, 'event stream closed: its client does not read')
      countDropped(this.#audience, 'slow')
    })
    const entry = {
      stream,
      caller,
      recheck,
      restaurantId,
      checkedAt: performance.now(),
      isBeingChecked: false,
    }
    this.#open.add(entry)
    countOpen(this.#audience, 1)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
    stream.onClose(() => {
      this.#open.delete(entry)
      countOpen(this.#audience, -1)
      release()
      if (this.#open.size === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
      }
    })
    stream.begin()
    void this.#start(stream, start)
    return true
  }

  /** Closes all streams and opens no more. Clients resume at another process. */
  drain(): void {
    this.#draining = true
    for (const { stream } of this.#open) stream.end()
  }

  async #start(stream: SseStream, start: NonNullable<StreamReply['start']>): Promise<void> {
    try {
      await start(stream)
      stream.markCaughtUp()
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'event stream failed; its client reconnects')
      stream.end()
    }
  }

  #reserve(caller: Caller): () => void {
    const { maxCount, maxPerCallerCount } = this.#limits
    if (this.#draining) throw new ExpectedError('overloaded', 'This process is shutting down; connect again')
    if (this.#count >= maxCount) throw new Overloaded('The table of open streams')
    const { id, name } = caller
    const openCount = this.#byCaller.get(id) ?? 0
    if (name !== null && openCount >= maxPerCallerCount)
      throw new TooManyStreams(openCount, maxPerCallerCount)
    this.#count++
    this.#byCaller.set(id, openCount + 1)
    return () => {
      this.#count--
      const left = (this.#byCaller.get(id) ?? 1) - 1
      if (left === 0) this.#byCaller.delete(id)
      else this.#byCaller.set(id, left)
    }
  }

  /** Sends due heartbeats and starts due reauthorizations. */
  #sweep(): void {
    const now = performance.now()
    for (const entry of this.#open) {
      if (now - entry.stream.sentAt >= this.#limits.heartbeatMs) entry.stream.beat()
      if (now - entry.checkedAt >= this.#limits.recheckMs && !entry.isBeingChecked) void this.#check(entry)
    }
  }

  async #check(entry: OpenStream): Promise<void> {
    entry.isBeingChecked = true
    try {
      const caller = await entry.recheck()
      if (!canAccess(caller, entry.restaurantId)) this.#revoke(entry)
    } catch (error) {
      const code = error instanceof ExpectedError ? error.code : undefined
      // When the check itself fails, the stream stays open until the next one.
      if (code === 'unauthenticated' || code === 'forbidden') this.#revoke(entry)
      else this.#log.debug({ error: String(error) }, 'the caller of a stream could not be reauthorized')
    }
    entry.checkedAt = performance.now()
    entry.isBeingChecked = false
  }

  #revoke({ stream, caller }: OpenStream): void {
    this.#log.info({ caller: caller.id }, 'event stream closed: its caller has lost access')
    countDropped(this.#audience, 'unauthorised')
    stream.end()
  }
}
