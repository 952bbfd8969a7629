import type { Database } from '../db/database.ts'
import type { Logger } from '../platform/log.ts'
import { projectStats } from './project-stats.ts'

/** How far the statistics may be behind, when nothing holds them up. */
const EVERY_MS = 2_000

/**
 * Adds new events to the statistics every two seconds, in batches: a job for each event would cost the slow path more than
 * all that is counted of it. Of several processes one does so at a time.
 */
export class StatsProjector {
  readonly #database: Database
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #stopping = false

  constructor(database: Database, log: Logger) {
    this.#database = database
    this.#log = log
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#project().finally(() => (this.#running = undefined))
    }, EVERY_MS)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#timer)
    await this.#running
  }

  async #project(): Promise<void> {
    try {
      let isMore = true
      while (isMore && !this.#stopping) isMore = await this.#database.transaction(tx => projectStats(tx))
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'statistics were not brought up to date; trying again')
    }
  }
}
