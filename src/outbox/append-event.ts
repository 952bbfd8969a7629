import { jsonbs, texts, uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import { checkEvent, type EventOf } from '../events/event.ts'

/**
 * Appends events to the outbox in the transaction of the change that they report. Atomic with the
 * change; the commit waits for the insert.
 * @throws InvalidEvent when a payload does not match the catalogue
 */
export function appendEvents(tx: Tx, events: readonly EventOf[]): void {
  if (events.length > 0) tx.pipeline(tx.execute(appendEventsSql(1, 'null'), eventColumns(events)))
}

/**
 * Validates events and returns them as parameters of {@link appendEventsSql}.
 * @throws InvalidEvent
 */
export function eventColumns(events: readonly EventOf[]): Buffer[] {
  for (const event of events) checkEvent(event)
  return [
    uuids(events.map(event => event.event_id)),
    uuids(events.map(event => event.restaurant_id)),
    texts(events.map(event => event.type)),
    uuids(events.map(event => event.order_id)),
    jsonbs(events.map(event => event.payload)),
    jsonbs(events.map(event => event.trace_context)),
  ]
}

/**
 * Returns the insert, for statements that write a change together with its events.
 * @param first number of the first of the six parameters that {@link eventColumns} returns
 * @param dispatchedAt `null`, or the time if the same transaction inserts the jobs
 * @param condition selects rows, in SQL
 */
export function appendEventsSql(
  first: number,
  dispatchedAt: 'null' | 'clock_timestamp()',
  condition = 'true',
): string {
  const types = ['uuid', 'uuid', 'text', 'uuid', 'jsonb', 'jsonb']
  const columns = types.map((type, index) => `$${first + index}::${type}[]`).join(', ')
  return `
    insert into outbox_events (event_id, restaurant_id, type, order_id, payload, trace_context, dispatched_at, attempts)
    select event_id, restaurant_id, type, order_id, payload, trace_context, ${dispatchedAt}, ${dispatchedAt === 'null' ? 0 : 1}
    from unnest(${columns}) as event (event_id, restaurant_id, type, order_id, payload, trace_context)
    where ${condition}
  `
}
