import type { PgBoss } from 'pg-boss'
import type { Logger } from '../platform/log.ts'

/** How the jobs of a queue are processed. */
export interface QueueWork {
  begin: () => Promise<void>
  /** stops fetching jobs; by default pg-boss does */
  end?: () => Promise<void>
  /** jobs in progress; by default pg-boss counts them */
  inHand?: () => number
}

/** By queue name. */
export type QueueWorks = ReadonlyMap<string, QueueWork>

/** Processes every queue that is not paused by an operator. pg-boss itself cannot pause a queue. */
export class QueueRunner {
  readonly #boss: PgBoss
  readonly #works: QueueWorks
  readonly #log: Logger
  readonly #working = new Set<string>()
  #isStopping = false

  constructor(boss: PgBoss, works: QueueWorks, log: Logger) {
    this.#boss = boss
    this.#works = works
    this.#log = log
  }

  /**
   * Starts the queues that are not paused and stops the others. Does not wait for the batch in
   * progress, which is finished.
   * @returns whether a queue was started or stopped
   */
  async apply(paused: ReadonlySet<string>): Promise<boolean> {
    let changed = false
    if (this.#isStopping) return changed
    for (const [queue, { begin, end }] of this.#works) {
      if (paused.has(queue) && this.#working.delete(queue)) {
        await (end ? end() : this.#boss.offWork(queue, { wait: false }))
        this.#log.warn({ queue }, 'queue paused')
        changed = true
      } else if (!paused.has(queue) && !this.#working.has(queue)) {
        await begin()
        this.#working.add(queue)
        this.#log.debug({ queue }, 'queue started')
        changed = true
      }
    }
    return changed
  }

  /** Returns whether this process has started the queue and not paused it. */
  isWorking(queue: string): boolean {
    return this.#working.has(queue)
  }

  /**
   * Starts no more queues. Resolves when the batches in progress of those that pg-boss works have
   * ended.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    const worked = [...this.#working].filter(queue => this.#works.get(queue)?.end === undefined)
    await Promise.all(worked.map(queue => this.#boss.offWork(queue)))
  }

  /**
   * Returns the running queues with their jobs in progress, and paused ones until they are idle.
   */
  inHand(): { queue: string; jobs: number }[] {
    const jobs = new Map<string, number>()
    for (const { name, count } of this.#boss.getWipData()) jobs.set(name, (jobs.get(name) ?? 0) + count)
    for (const [queue, { inHand }] of this.#works) if (inHand && inHand() > 0) jobs.set(queue, inHand())
    return Array.from(jobs, ([queue, jobs]) => ({ queue, jobs }))
  }
}
