import type { Sql } from '../db/transaction.ts'
import type { EventType } from '../events/catalogue.ts'
import type { EventOf } from '../events/event.ts'
import { eventQueues, type QueueName } from '../jobs/queues.ts'
import type { Logger } from '../platform/log.ts'
import { routesOf, typesRoutedTo } from './routing.ts'

/** Maximum age of a count. */
const COUNT_MS = 1_000
/** Share of the maximum down to which a full queue drains before it takes jobs again. */
const RESUME_SHARE = 0.5

const NONE: ReadonlySet<EventType> = new Set()

/**
 * Back-pressure of the queues: events wait in the outbox while the queue of one of their steps has
 * more than `maxCount` waiting jobs, until half of them are done. Jobs are counted once per second,
 * and at once when this process may have filled a queue. With several processes, a queue may
 * exceed the maximum by the jobs that they insert within a second.
 */
export class QueueBacklog {
  readonly #maxCount: number
  readonly #log: Logger | undefined
  #waiting = new Map<string, number>()
  #full: ReadonlySet<string> = new Set()
  #held = NONE
  #countAt = Number.NEGATIVE_INFINITY

  /** @param log of a dispatcher, which reports full queues there and in `held_queues` */
  constructor(maxCount: number, log?: Logger) {
    this.#maxCount = maxCount
    this.#log = log
  }

  /** Returns the types of the events that must wait. The same set until it changes. */
  async heldTypes(sql: Sql): Promise<ReadonlySet<EventType>> {
    if (performance.now() >= this.#countAt || this.#mayBeFull()) await this.#count(sql)
    return this.#held
  }

  /** Counts the jobs of events that this process adds until the next count. */
  add(events: readonly EventOf[]): void {
    for (const { queue } of events.flatMap(routesOf))
      this.#waiting.set(queue, (this.#waiting.get(queue) ?? 0) + 1)
  }

  #mayBeFull(): boolean {
    return [...this.#waiting].some(([queue, jobs]) => !this.#full.has(queue) && jobs > this.#maxCount)
  }

  async #count(sql: Sql): Promise<void> {
    const rows = await sql.query<{ queue: QueueName; waiting: number }>(countSql, [
      Object.keys(eventQueues),
      this.#maxCount + 1,
    ])
    this.#countAt = performance.now() + COUNT_MS
    this.#waiting = new Map(rows.map(({ queue, waiting }) => [queue, waiting]))
    const before = this.#full
    const isFull = (queue: string, waiting: number) =>
      waiting > (before.has(queue) ? this.#maxCount * RESUME_SHARE : this.#maxCount)
    const full = rows.flatMap(({ queue, waiting }) => (isFull(queue, waiting) ? queue : []))
    const begun = full.filter(queue => !before.has(queue))
    const ended = [...before].filter(queue => !full.includes(queue as QueueName))
    this.#full = new Set(full)
    if (begun.length + ended.length > 0) this.#held = new Set(full.flatMap(typesRoutedTo))
    if (full.length + ended.length > 0) await this.#report(sql, full, begun, ended)
  }

  async #report(sql: Sql, full: string[], begun: string[], ended: string[]): Promise<void> {
    if (!this.#log) return
    for (const queue of begun)
      this.#log.warn(
        { queue, waiting: this.#waiting.get(queue), maximum: this.#maxCount },
        `${queue} is full: its events wait in the outbox`,
      )
    for (const queue of ended)
      this.#log.info({ queue, waiting: this.#waiting.get(queue) }, `${queue} takes events again`)
    await sql.execute(recordSql, [full, ended])
  }
}

/** Counts jobs that are due, up to a limit. Deferred jobs and retries are not due yet. */
const countSql = `
  select queue, (
    select count(*)::integer
    from (
      select 1
      from pgboss.job as job
      where job.name = queue
        and job.state < 'active'
        and not job.blocked
        and job.start_after <= now()
      limit $2
    ) as bounded
  ) as waiting
  from unnest($1::text[]) as queue
`

const recordSql = `
  with ended as (
    delete from held_queues
    where queue = any($2::text[])
  )
  insert into held_queues (queue, counted_at)
  select queue, clock_timestamp()
  from unnest($1::text[]) as queue
  on conflict (queue) do update set counted_at = excluded.counted_at
`
