import type { PgBoss } from 'pg-boss'
import type { Logger } from '../platform/log.ts'

/** How a queue's work is begun, by the queue's name. */
export type QueueStarters = ReadonlyMap<string, () => Promise<void>>

/** Works every queue but those that operators have paused. pg-boss itself has no notion of a pause. */
export class QueueSwitch {
  readonly #boss: PgBoss
  readonly #starters: QueueStarters
  readonly #log: Logger
  readonly #working = new Set<string>()

  constructor(boss: PgBoss, starters: QueueStarters, log: Logger) {
    this.#boss = boss
    this.#starters = starters
    this.#log = log
  }

  /**
   * Begins what is not paused and ends what is. A batch in hand is finished; nothing waits for it here.
   * @returns whether anything has changed
   */
  async apply(paused: ReadonlySet<string>): Promise<boolean> {
    let changed = false
    for (const [queue, start] of this.#starters) {
      if (paused.has(queue) && this.#working.delete(queue)) {
        await this.#boss.offWork(queue, { wait: false })
        this.#log.warn({ queue }, 'queue paused')
        changed = true
      } else if (!paused.has(queue) && !this.#working.has(queue)) {
        await start()
        this.#working.add(queue)
        this.#log.debug({ queue }, 'queue worked')
        changed = true
      }
    }
    return changed
  }

  /** The queues that are worked, with the jobs in hand; a paused one while its last batch is finished. */
  inHand(): { queue: string; jobs: number }[] {
    const jobs = new Map<string, number>()
    for (const { name, count } of this.#boss.getWipData()) jobs.set(name, (jobs.get(name) ?? 0) + count)
    return Array.from(jobs, ([queue, jobs]) => ({ queue, jobs }))
  }
}
