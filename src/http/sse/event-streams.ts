import type { ServerResponse } from 'node:http'
import { ANYONE, type Caller, canAccess } from '../../platform/caller.ts'
import { ExpectedError, Overloaded, TooManyStreams } from '../../platform/errors.ts'
import type { Logger } from '../../platform/log.ts'
import { Semaphore } from '../../platform/semaphore.ts'
import type { StreamReply } from '../route-reply.ts'
import { SseStream } from './event-stream.ts'
import { countDropped, countOpen, recordMost } from './stream-metrics.ts'

export interface StreamLimits {
  /** open at once in this process */
  maxCount: number
  /** open at once of one caller, where callers are told apart */
  maxPerCallerCount: number
  /** a silent stream gets a heartbeat after this long */
  heartbeatMs: number
  /** a caller is looked at again after this long: together with what an authenticator remembers, less than a minute */
  recheckMs: number
}

const LOOK_MS = 1_000
/** Streams that may read their beginning from the database at once; the others wait, and take no connection meanwhile. */
const OPENING_COUNT = 4

interface OpenStream {
  stream: SseStream
  caller: Caller
  restaurantId: string
  recheck: () => Promise<Caller>
  checkedAt: number
  isBeingChecked: boolean
}

/** Who the caller of a request is, asked again later. @throws unauthenticated, forbidden when it may not go on */
export type Recheck = () => Promise<Caller>

/** Every event stream of this process: how many there may be, that they stay alive, and who may go on reading. */
export class EventStreams {
  readonly #limits: StreamLimits
  readonly #log: Logger
  readonly #open = new Set<OpenStream>()
  readonly #byCaller = new Map<string, number>()
  readonly #turns = new Semaphore(OPENING_COUNT)
  #count = 0
  #draining = false
  #timer: NodeJS.Timeout | undefined

  constructor(limits: StreamLimits, log: Logger) {
    this.#limits = limits
    this.#log = log
    recordMost(limits.maxCount)
  }

  /**
   * Opens a stream, if there is room for one more. `prepare` reads what it needs; what it throws is the answer.
   * @returns once the headers are out, or the client has gone
   * @throws Overloaded, too-many-streams, and what `prepare` throws
   */
  async open(
    response: ServerResponse,
    caller: Caller,
    recheck: Recheck,
    prepare: () => Promise<StreamReply>,
  ): Promise<void> {
    const release = this.#reserve(caller)
    let reply: StreamReply
    try {
      reply = await this.#turns.take(prepare)
    } catch (error) {
      release()
      throw error
    }
    if (response.closed || this.#draining) {
      release()
      response.destroy()
      return
    }
    const stream = new SseStream(response, () => {
      this.#log.info(
        { caller: caller.id },
        'an event stream was ended: its client does not read what it is sent',
      )
      countDropped('slow')
    })
    const entry = {
      stream,
      caller,
      recheck,
      restaurantId: reply.restaurantId,
      checkedAt: performance.now(),
      isBeingChecked: false,
    }
    this.#open.add(entry)
    countOpen(1)
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
    stream.onClose(() => {
      this.#open.delete(entry)
      countOpen(-1)
      release()
      if (this.#open.size === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
      }
    })
    stream.begin()
    void this.#start(stream, reply)
  }

  /** Ends all of them: clients go to another process, and go on there. No more are opened. */
  drain(): void {
    this.#draining = true
    for (const { stream } of this.#open) stream.end()
  }

  async #start(stream: SseStream, reply: StreamReply): Promise<void> {
    try {
      await reply.start(stream)
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'an event stream broke off; its client comes back')
      stream.end()
    }
  }

  #reserve(caller: Caller): () => void {
    const { maxCount, maxPerCallerCount } = this.#limits
    if (this.#draining) throw new ExpectedError('overloaded', 'This process is shutting down; connect again')
    if (this.#count >= maxCount) throw new Overloaded('The list of open streams')
    const { id } = caller
    const its = this.#byCaller.get(id) ?? 0
    if (caller !== ANYONE && its >= maxPerCallerCount) throw new TooManyStreams(its, maxPerCallerCount)
    this.#count++
    this.#byCaller.set(id, its + 1)
    return () => {
      this.#count--
      const left = (this.#byCaller.get(id) ?? 1) - 1
      if (left === 0) this.#byCaller.delete(id)
      else this.#byCaller.set(id, left)
    }
  }

  #look(): void {
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
      if (!canAccess(caller, entry.restaurantId)) this.#turnAway(entry)
    } catch (error) {
      const code = error instanceof ExpectedError ? error.code : undefined
      // Who cannot be looked at just now stays until that works again.
      if (code === 'unauthenticated' || code === 'forbidden') this.#turnAway(entry)
      else this.#log.debug({ error: String(error) }, 'the caller of a stream could not be looked at')
    }
    entry.checkedAt = performance.now()
    entry.isBeingChecked = false
  }

  #turnAway({ stream, caller }: OpenStream): void {
    this.#log.info({ caller: caller.id }, 'an event stream was ended: its caller may not read it any more')
    countDropped('unauthorised')
    stream.end()
  }
}
