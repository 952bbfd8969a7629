import type { PgBoss } from 'pg-boss'
import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import { LastMinute } from '../platform/last-minute.ts'
import type { Logger } from '../platform/log.ts'
import { Rest } from '../platform/rest.ts'
import { type DispatchedBatch, dispatchBatch } from './dispatch-batch.ts'
import { countDispatched, countQuarantined } from './outbox-metrics.ts'
import { announceByNotify, OUTBOX_CHANNEL } from './wake.ts'

const BATCH_COUNT = 500
/** The safety net: how long a committed event may wait when its wake-up is lost. */
const POLL_MS = 1_000
const ERROR_BACKOFF_BASE_MS = 100
const ERROR_BACKOFF_MAX_MS = 2_000

/** Moves committed events to their queues until it is stopped: at once when woken, and once a second anyway. */
export class Dispatcher {
  readonly #database: Database
  readonly #boss: PgBoss
  readonly #log: Logger
  readonly #announce: () => void
  #listener: Listener | undefined
  #running: Promise<void> | undefined
  #stopping = false
  #woken = false
  readonly #rest = new Rest(() => this.#stopping)
  readonly #dispatched = new LastMinute()

  constructor(database: Database, boss: PgBoss, log: Logger) {
    this.#database = database
    this.#boss = boss
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
        dispatchBatch(tx, this.#boss, BATCH_COUNT, this.#log),
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
