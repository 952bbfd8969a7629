import type { PgBoss } from 'pg-boss'
import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import type { Held } from './in-flight-deliveries.ts'
import { type DeliveryOutcome, recordOutcomes } from './record-outcomes.ts'

/** Of a job that this process may hold: `held` is left out when it let go of it at once. */
export type HeldOutcome = DeliveryOutcome & { held?: Held }

interface SettlerOptions {
  database: Database
  boss: PgBoss
  log: Logger
  /** by webhook, how many more of its deliveries may have a job when these have ended */
  roomsAfter: (batch: readonly HeldOutcome[]) => ReadonlyMap<string, number>
  /** called when they are written down; what it throws is logged, and what is left goes on a second later */
  afterwards: (batch: readonly HeldOutcome[]) => Promise<void>
  /** what cannot be written down is not tried again then: others get the jobs */
  isStopping: () => boolean
}

const BATCH_COUNT = 200
const ERROR_PAUSE_MS = 1_000

/** Writes down what became of deliveries, in the order it is told and many in one transaction. */
export class OutcomeBatcher {
  readonly #options: SettlerOptions
  readonly #settlements: HeldOutcome[] = []
  #isSettling = false
  #settling: Promise<void> | undefined

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  /** To be written down with others, soon. */
  settle(settlement: HeldOutcome): void {
    this.#settlements.push(settlement)
    if (this.#isSettling) return
    this.#isSettling = true
    this.#settling = this.#settleAll()
  }

  /** Until there is nothing left to write down, or it is stopping and that failed. */
  async untilIdle(): Promise<void> {
    await this.#settling
  }

  async #settleAll(): Promise<void> {
    const { database, boss, log, roomsAfter, afterwards, isStopping } = this.#options
    // Whatever is decided before the event loop turns goes along.
    await new Promise(done => setImmediate(done))
    while (this.#settlements.length > 0) {
      const batch = this.#settlements.slice(0, BATCH_COUNT)
      try {
        const rooms = roomsAfter(batch)
        const disabled = await database.transaction(tx => recordOutcomes(tx, boss, batch, rooms))
        for (const webhook_id of disabled) log.error({ webhook_id }, 'webhook disabled')
        this.#settlements.splice(0, batch.length)
        await afterwards(batch)
      } catch (error) {
        log.error({ error: String(error) }, 'deliveries could not be settled; it will be tried again')
        await new Promise(done => setTimeout(done, ERROR_PAUSE_MS))
        if (isStopping()) break
      }
    }
    // In the same turn as the look at what is left: nothing falls in between.
    this.#isSettling = false
  }
}
