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

/**
 * Inserts open dead letters of `inventory.deduct`, each of an event of its own.
 * @returns their ids, the oldest first
 */
export async function addDeadLetters(
  database: Database,
  count: number,
  { error = 'broken', event = true, job }: { error?: string; event?: boolean; job?: string },
): Promise<string[]> {
  const rows = await database.query<{ dead_letter_id: string }>(
    `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, data, error, attempts, first_queued_at, dead_at)
    select uuidv7(), 'inventory.deduct', coalesce($4::uuid, event_id), case when $3 then event_id end, 'order.placed.v1',
      jsonb_build_object('event_id', event_id), jsonb_build_object('message', $2::text), 13, now(), clock_timestamp()
    from (select uuidv7() as event_id from generate_series(1, $1)) as event
    returning dead_letter_id`,
    [count, error, event, job ?? null],
  )
  return rows.map(({ dead_letter_id }) => dead_letter_id)
}
