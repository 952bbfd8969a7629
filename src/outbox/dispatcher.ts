import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import { MAX_UUID, NIL_UUID } from '../platform/ids.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { RollingCounter } from '../platform/rolling-counter.ts'
import { dispatchBatch } from './dispatch-batch.ts'
import { freshWindow, type IdWindow, windowFrom } from './id-window.ts'
import { announceByNotify, OUTBOX_CHANNEL } from './notify-channels.ts'
import { countDispatched, countQuarantined } from './outbox-metrics.ts'
import type { Publisher } from './publish.ts'

const BATCH_COUNT = 500
/** The longest delay of a committed event whose wake-up was lost. */
const POLL_MS = 1_000

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
    const fresh = freshWindow()
    if (performance.now() >= this.#searchAt) await this.#searchOthers(fresh)
    const backlog = this.#backlog
    if (backlog === undefined && !isWoken && !(await this.#isPending(fresh))) return false
    const claimed = await this.#dispatchWindow(backlog === undefined ? fresh : windowFrom(backlog))
    if (claimed === BATCH_COUNT) return true
    this.#backlog = undefined
    // Another dispatcher has locked what a search found and a claim did not.
    if (backlog !== undefined && claimed > 0) this.#searchAt = Number.NEGATIVE_INFINITY
    return backlog !== undefined
  }

  async #dispatchWindow(window: IdWindow): Promise<number> {
    const { claimed, quarantined } = await this.#database.transaction(tx =>
      dispatchBatch(tx, this.#publisher, BATCH_COUNT, window),
    )
    this.#dispatched.add(claimed - quarantined)
    countDispatched('dispatcher', claimed - quarantined)
    countQuarantined(quarantined)
    if (claimed > 0) this.#announce()
    return claimed
  }

  async #searchOthers({ from, until }: IdWindow): Promise<void> {
    this.#searchAt = performance.now() + POLL_MS
    const [older] = await this.#database.query<{ event_id: string }>(pendingSql, [NIL_UUID, from])
    const [other] = older
      ? [older]
      : await this.#database.query<{ event_id: string }>(pendingSql, [until, MAX_UUID])
    this.#backlog = other?.event_id
  }

  async #isPending({ from, until }: IdWindow): Promise<boolean> {
    const rows = await this.#database.query(pendingSql, [from, until])
    return rows.length > 0
  }
}

const pendingSql = `
  select event_id
  from outbox_events
  where dispatched_at is null
    and quarantined_at is null
    and event_id >= $1::uuid
    and event_id < $2::uuid
  order by event_id
  limit 1
`
