import type { Database } from '../db/database.ts'
import type { Logger } from '../platform/log.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { projectStats } from './project-stats.ts'

/** How far the statistics lag behind the events while the projection keeps up. */
const INTERVAL_MS = 2_000

/**
 * Adds new events to the statistics every two seconds, in batches: a job per event would cost the
 * asynchronous pipeline more than the counting itself. Among several processes, one at a time
 * projects.
 */
export class StatsProjector {
  readonly #loop: PollLoop

  constructor(database: Database, log: Logger) {
    this.#loop = new PollLoop({
      run: () => database.transaction(tx => projectStats(tx, log)),
      intervalMs: INTERVAL_MS,
      onError: error => log.warn({ error: String(error) }, 'statistics not updated; retrying'),
    })
  }

  start(): void {
    this.#loop.start(INTERVAL_MS)
  }

  /** Resolves when the current batch has been committed. */
  async stop(): Promise<void> {
    await this.#loop.stop()
  }
}
