import type { PgBoss } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'

/** One job that an event leads to, besides the jobs of its routes. */
export interface FanOutTarget {
  event_id: string
  job_id: string
  /** the webhook */
  target_id: string
}

/**
 * Decides, per event, which further jobs the event leads to: one per webhook that is subscribed to
 * it. The outbox runs the statements in the transaction that publishes the event, so that an event
 * and its jobs are committed together.
 */
export interface FanOut {
  /**
   * An insert over the common table expression `published` (event_id, restaurant_id, type,
   * order_id, payload) that returns `event_id`, `job_id` and `target_id`. It is part of the
   * statement that publishes, so that it costs no round trip.
   */
  readonly insertSql: string
  /**
   * Deletes what `insertSql` inserted for the event $1: an event that is quarantined has no jobs.
   */
  readonly removeSql: string
  /** Inserts the jobs of these targets. */
  insertJobs(
    tx: Tx,
    boss: PgBoss,
    targets: readonly FanOutTarget[],
    events: readonly EventOf[],
  ): Promise<void>
}
