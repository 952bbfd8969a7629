import type { PgBoss } from 'pg-boss'
import type { Logger } from '../platform/log.ts'

/** How a queue is worked. */
export interface QueueWork {
  begin: () => Promise<void>
  /** takes nothing more; left out, pg-boss does it */
  end?: () => Promise<void>
  /** jobs in hand; left out, pg-boss knows */
  inHand?: () => number
}

/** How each queue is worked, by its name. */
export type QueueWorks = ReadonlyMap<string, QueueWork>

/** Works every queue but those that operators have paused. pg-boss itself has no notion of a pause. */
export class QueueRunner {
  readonly #boss: PgBoss
  readonly #works: QueueWorks
  readonly #log: Logger
  readonly #working = new Set<string>()

  constructor(boss: PgBoss, works: QueueWorks, log: Logger) {
    this.#boss = boss
    this.#works = works
    this.#log = log
  }

  /**
   * Begins what is not paused and ends what is. A batch in hand is finished; nothing waits for it here.
   * @returns whether anything has changed
   */
  async apply(paused: ReadonlySet<string>): Promise<boolean> {
    let changed = false
    for (const [queue, { begin, end }] of this.#works) {
      if (paused.has(queue) && this.#working.delete(queue)) {
        await (end ? end() : this.#boss.offWork(queue, { wait: false }))
        this.#log.warn({ queue }, 'queue paused')
        changed = true
      } else if (!paused.has(queue) && !this.#working.has(queue)) {
        await begin()
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
    for (const [queue, { inHand }] of this.#works) if (inHand && inHand() > 0) jobs.set(queue, inHand())
    return Array.from(jobs, ([queue, jobs]) => ({ queue, jobs }))
  }
}
