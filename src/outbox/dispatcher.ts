import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import { InterruptibleSleep } from '../platform/interruptible-sleep.ts'
import type { Logger } from '../platform/log.ts'
import { RollingCounter } from '../platform/rolling-counter.ts'
import { type DispatchedBatch, dispatchBatch } from './dispatch-batch.ts'
import { announceByNotify, OUTBOX_CHANNEL } from './notify-channels.ts'
import { countDispatched, countQuarantined } from './outbox-metrics.ts'
import type { Publisher } from './publish.ts'

const BATCH_COUNT = 500
/** The safety net: how long a committed event may wait when its wake-up is lost. */
const POLL_MS = 1_000
const ERROR_BACKOFF_BASE_MS = 100
const ERROR_BACKOFF_MAX_MS = 2_000

/** Moves committed events to their queues until it is stopped: at once when woken, and once a second anyway. */
export class Dispatcher {
  readonly #database: Database
  readonly #publisher: Publisher
  readonly #log: Logger
  readonly #announce: () => void
  #listener: Listener | undefined
  #running: Promise<void> | undefined
  #stopping = false
  #woken = false
  readonly #rest = new InterruptibleSleep(() => this.#stopping)
  readonly #dispatched = new RollingCounter()

  constructor(database: Database, publisher: Publisher) {
    const { log } = publisher
    this.#database = database
    this.#publisher = publisher
    this.#log = log
    this.#announce = announceByNotify(database, log)
  }

  /** Starts the loop, and listens for wake-ups of other processes. */
  async start(): Promise<void> {
    const wake = () => this.wake()
    this.#listener = await this.#database.listen(OUTBOX_CHANNEL, wake, wake)
    this.#running = this.#run()
  }

  /** There is something in the outbox: look now. Wake-ups that come while it looks count as one. */
  wake(): void {
    this.#woken = true
    this.#rest.interrupt()
  }

  /** Events that this process has moved to their queues in the last minute. */
  dispatchedLastMinute(): number {
    return this.#dispatched.count()
  }

  /** Resolves when the batch in hand has been committed. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#rest.interrupt()
    await this.#listener?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stopping) {
      try {
        if (this.#woken || (await this.#isPending())) await this.#drain()
        failures = 0
        if (!this.#woken) await this.#rest.take(POLL_MS)
      } catch (error) {
        this.#log.error({ error: String(error) }, 'dispatching failed; it will be tried again')
        this.#woken = true
        await this.#rest.take(Math.min(ERROR_BACKOFF_MAX_MS, ERROR_BACKOFF_BASE_MS * 2 ** failures++))
      }
    }
  }

  async #drain(): Promise<void> {
    for (;;) {
      this.#woken = false
      const batch: DispatchedBatch = await this.#database.transaction(tx =>
        dispatchBatch(tx, this.#publisher, BATCH_COUNT),
      )
      this.#dispatched.add(batch.claimed - batch.quarantined)
      countDispatched('dispatcher', batch.claimed - batch.quarantined)
      countQuarantined(batch.quarantined)
      if (batch.claimed > 0) this.#announce()
      if (this.#stopping || (batch.claimed < BATCH_COUNT && !this.#woken)) return
    }
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
