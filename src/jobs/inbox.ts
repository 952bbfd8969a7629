import { uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'

/** Identifies an event. */
export interface EventKey {
  event_id: string
  restaurant_id: string
}

/**
 * The inbox: records that `consumer` processes these events, atomically with their effects in `tx`.
 * Call it after the orders of the events are locked, so that two workers cannot deadlock here.
 * @returns the ids that were not processed before; the other events are duplicates
 */
export async function claimEvents(
  tx: Tx,
  consumer: string,
  events: readonly EventKey[],
): Promise<Set<string>> {
  const rows = await tx.query<{ event_id: string }>(claimSql, [
    consumer,
    uuids(events.map(event => event.event_id)),
    uuids(events.map(event => event.restaurant_id)),
  ])
  return new Set(rows.map(row => row.event_id))
}

/**
 * Claims events that this transaction has made.
 * @throws Error when one is not new
 */
export async function claimNewEvents(tx: Tx, consumer: string, events: readonly EventKey[]): Promise<void> {
  const claimed = await claimEvents(tx, consumer, events)
  if (claimed.size < events.length)
    throw new Error(`${events.length - claimed.size} of the events of ${consumer} are not new`)
}

const claimSql = `
  insert into processed_events (event_id, consumer, restaurant_id)
  select event_id, $1, restaurant_id
  from unnest($2::uuid[], $3::uuid[]) as e (event_id, restaurant_id)
  order by event_id
  on conflict do nothing
  returning event_id
`
