import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { RollingCounter } from '../platform/rolling-counter.ts'
import { dispatchBatch } from './dispatch-batch.ts'
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

  /** @returns whether the batch was full, so that more events may be waiting */
  async #dispatch(isWoken: boolean): Promise<boolean> {
    if (!isWoken && !(await this.#isPending())) return false
    const { claimed, quarantined } = await this.#database.transaction(tx =>
      dispatchBatch(tx, this.#publisher, BATCH_COUNT),
    )
    this.#dispatched.add(claimed - quarantined)
    countDispatched('dispatcher', claimed - quarantined)
    countQuarantined(quarantined)
    if (claimed > 0) this.#announce()
    return claimed === BATCH_COUNT
  }

  async #isPending(): Promise<boolean> {
    const rows = await this.#database.query(pendingSql)
    return rows.length > 0
  }
}

const pendingSql = `
  select 1
  from outbox_events
  where dispatched_at is null
    and quarantined_at is null
  order by event_id
  limit 1
`
