import type { Database } from '../../src/db/database.ts'

/** Quarantines the first event of an order. */
export async function quarantine(database: Database, order: string): Promise<void> {
  await database.execute(
    `update outbox_events set dispatched_at = null, quarantined_at = now(), error = 'unreadable'
    where order_id = $1 and type = 'order.placed.v1'`,
    [order],
  )
}

/** Inserts an open dead letter of a queue, for the first event of an order or for none. */
export async function addDeadLetter(database: Database, queue: string, order?: string): Promise<void> {
  await database.execute(
    `insert into dead_letters (dead_letter_id, queue, job_id, event_id, order_id, error, attempts, first_queued_at, dead_at)
    select gen_random_uuid(), $1, coalesce(e.event_id, gen_random_uuid()), e.event_id, e.order_id, '{"message":"broken"}', 13, now(), now()
    from (select 1) as one
    left join outbox_events as e on e.order_id = $2`,
    [queue, order ?? null],
  )
}
