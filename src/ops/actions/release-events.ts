import type { Tx } from '../../db/transaction.ts'
import { audit, type Operator } from './audit.ts'

/** An event that was quarantined until its release. */
export interface ReleasedEvent {
  event_id: string
  type: string
  order_id: string | null
  error: string
}

/**
 * Releases quarantined events to the dispatcher, which quarantines an event again if it still
 * cannot be dispatched. Atomic: events and the audit record are written together, or not at all.
 * @param ids of events or orders; null: every quarantined event
 * @param limit events, 1..10000, oldest first
 */
export async function releaseEvents(
  tx: Tx,
  ids: string[] | null,
  limit: number,
  operator: Operator,
): Promise<ReleasedEvent[]> {
  const events = await tx.query<ReleasedEvent>(lockSql, [ids, limit])
  const keys = events.map(({ event_id }) => event_id)
  const released = await tx.execute(releaseSql, [keys])
  if (released !== events.length) throw new Error(`released ${released} of ${events.length} events`)
  if (released > 0) await audit(tx, operator, 'release', { events: keys })
  return events
}

const lockSql = `
  select event_id, type, order_id, error
  from outbox_events
  where quarantined_at is not null
    and ($1::uuid[] is null or event_id = any($1) or order_id = any($1))
  order by quarantined_at, event_id
  limit $2
  for update
`

const releaseSql = `
  update outbox_events
  set quarantined_at = null, error = null
  where event_id = any($1::uuid[])
    and quarantined_at is not null
`
