import type { PgBoss } from 'pg-boss'
import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import { BEGINNING, isAnyWebhook, sweepParked } from './enqueue-ready.ts'

interface WaitingLookOptions {
  database: Database
  boss: PgBoss
  log: Logger
  isStopping: () => boolean
}

/** Looks after deliveries that wait without a job, and were not released by whoever they waited for: one look at a time. */
export class StalledSweeper {
  readonly #options: WaitingLookOptions
  #lookedUpTo = BEGINNING
  #looking = false
  /** somebody asked for it while one was under way, and that one may have missed it */
  #lookAgain = false

  constructor(options: WaitingLookOptions) {
    this.#options = options
  }

  /** Never fails: what could not be looked after is, the next time. */
  async look(): Promise<void> {
    const { database, boss, log, isStopping } = this.#options
    this.#lookAgain = true
    if (this.#looking || isStopping()) return
    this.#looking = true
    try {
      while (this.#lookAgain) {
        this.#lookAgain = false
        if (await isAnyWebhook(database)) {
          const from = this.#lookedUpTo
          this.#lookedUpTo = await database.transaction(tx => sweepParked(tx, boss, from))
        }
      }
    } catch (error) {
      log.warn(
        { error: String(error) },
        'waiting deliveries could not be looked after; it will be tried again',
      )
    } finally {
      this.#looking = false
    }
  }
}
