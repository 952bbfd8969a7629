import type { PgBoss } from 'pg-boss'
import type { Database } from '../../db/database.ts'
import type { Logger } from '../../platform/log.ts'
import { PollLoop } from '../../platform/poll-loop.ts'
import { BEGINNING, isAnyWebhook, sweepParked } from './enqueue-ready.ts'

interface StalledSweeperOptions {
  database: Database
  boss: PgBoss
  log: Logger
}

const INTERVAL_MS = 5_000

/** Re-queues parked deliveries that nothing else re-queued. Runs do not overlap. */
export class StalledSweeper {
  readonly #options: StalledSweeperOptions
  readonly #loop: PollLoop
  #sweptUpTo = BEGINNING

  constructor(options: StalledSweeperOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      run: () => this.#sweep(),
      intervalMs: INTERVAL_MS,
      onError: error =>
        options.log.warn({ error: String(error) }, 'parked deliveries could not be swept; retrying'),
    })
  }

  start(): void {
    this.#loop.start(INTERVAL_MS)
  }

  /** Sweeps now, or again after the current sweep. */
  wake(): void {
    this.#loop.wake()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  async #sweep(): Promise<void> {
    const { database, boss } = this.#options
    if (await isAnyWebhook(database))
      this.#sweptUpTo = await database.transaction(tx => sweepParked(tx, boss, this.#sweptUpTo))
  }
}
