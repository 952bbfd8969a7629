import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import type { EventType } from '../events/catalogue.ts'
import { MAX_UUID, NIL_UUID } from '../platform/ids.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { RollingCounter } from '../platform/rolling-counter.ts'
import { dispatchBatch } from './dispatch-batch.ts'
import { freshWindow, type IdWindow, windowFrom } from './id-window.ts'
import { announceByNotify, OUTBOX_CHANNEL } from './notify-channels.ts'
import { countDispatched, countQuarantined } from './outbox-metrics.ts'
import { besideHeld, pendingBesideHeldSql, pendingSql } from './pending-events.ts'
import type { Publisher } from './publish.ts'

const BATCH_COUNT = 500
/** The longest delay of a committed event whose wake-up was lost. */
const POLL_MS = 1_000
/** Maximum share of the time for the searches: those beside many held events take longer. */
const MAX_SEARCH_SHARE = 0.1

/** Moves committed events to their queues: at once when woken, and by polling once per second. */
export class Dispatcher {
  readonly #database: Database
  readonly #publisher: Publisher
  readonly #announce: () => void
  readonly #loop: PollLoop
  readonly #dispatched = new RollingCounter()
  #listener: Listener | undefined
  /** the oldest pending event that is not fresh, as of the last search */
  #backlog: string | undefined
  #searchAt = Number.NEGATIVE_INFINITY
  /** types of the events that wait because a queue is full */
  #held: ReadonlySet<EventType> = new Set()

  constructor(database: Database, publisher: Publisher) {
    const { log } = publisher
    this.#database = database
    this.#publisher = publisher
    this.#announce = announceByNotify(database, log)
    this.#loop = new PollLoop({
      run: isWoken => this.#dispatch(isWoken),
      intervalMs: POLL_MS,
      onError: error => log.error({ error: String(error) }, 'dispatching failed; retrying'),
    })
  }

  /** Starts dispatching, and listens for wake-ups from other processes. */
  async start(): Promise<void> {
    const wake = () => this.wake()
    this.#listener = await this.#database.listen(OUTBOX_CHANNEL, wake, wake)
    this.#loop.start()
  }

  /** Makes the dispatcher read the outbox now. Wake-ups during a batch count as one. */
  wake(): void {
    this.#loop.wake()
  }

  /** Returns how many events this process has moved to their queues in the last minute. */
  dispatchedLastMinute(): number {
    return this.#dispatched.count()
  }

  /** Resolves when the current batch has been committed. */
  async stop(): Promise<void> {
    const stopped = this.#loop.stop()
    await this.#listener?.close()
    await stopped
  }

  /**
   * Dispatches a batch of fresh events, or of others: those of a backlog, of a quarantine that was
   * ended, or of a transaction that committed late. Others are searched for once per second.
   * @returns whether more events may be waiting
   */
  async #dispatch(isWoken: boolean): Promise<boolean> {
    await this.#hold()
    const fresh = freshWindow()
    if (performance.now() >= this.#searchAt) await this.#searchOthers(fresh)
    const backlog = this.#backlog
    if (backlog === undefined && !isWoken && (await this.#oldestPending(fresh)) === undefined) return false
    const claimed = await this.#dispatchWindow(backlog === undefined ? fresh : windowFrom(backlog))
    if (claimed === BATCH_COUNT) return true
    this.#backlog = undefined
    // Another dispatcher has locked what a search found and a claim did not.
    if (backlog !== undefined && claimed > 0) this.#searchAt = Number.NEGATIVE_INFINITY
    return backlog !== undefined
  }

  async #dispatchWindow(window: IdWindow): Promise<number> {
    const { claimed, quarantined } = await this.#database.transaction(tx =>
      dispatchBatch(tx, this.#publisher, BATCH_COUNT, window, this.#held),
    )
    this.#dispatched.add(claimed - quarantined)
    countDispatched('dispatcher', claimed - quarantined)
    countQuarantined(quarantined)
    if (claimed > 0) this.#announce()
    return claimed
  }

  /** Older events come first when they are no longer held, or not all of them are. */
  async #hold(): Promise<void> {
    const held = await this.#publisher.backlog?.heldTypes(this.#database)
    if (!held || held === this.#held) return
    this.#held = held
    this.#backlog = undefined
    this.#searchAt = Number.NEGATIVE_INFINITY
  }

  async #searchOthers({ from, until }: IdWindow): Promise<void> {
    const startedAt = performance.now()
    this.#backlog =
      (await this.#oldestPending({ from: NIL_UUID, until: from })) ??
      (await this.#oldestPending({ from: until, until: MAX_UUID }))
    const now = performance.now()
    this.#searchAt = now + Math.max(POLL_MS, (now - startedAt) / MAX_SEARCH_SHARE)
  }

  async #oldestPending({ from, until }: IdWindow): Promise<string | undefined> {
    const [event] = await this.#database.query<{ event_id: string }>(
      this.#held.size > 0 ? pendingBesideHeldSql : pendingSql,
      [1, from, until, ...besideHeld(this.#held)],
    )
    return event?.event_id
  }
}
