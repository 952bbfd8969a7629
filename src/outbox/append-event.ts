import { jsonbs, texts, uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import { checkEvent, type EventOf } from '../events/event.ts'

/**
 * Appends events to the outbox, in the transaction of what they tell: both stay or neither does. Left under way.
 * @throws InvalidEvent when a payload is not what the catalogue says
 */
export function appendEvents(tx: Tx, events: readonly EventOf[]): void {
  if (events.length > 0) tx.pipeline(tx.execute(appendEventsSql(1, 'null'), eventColumns(events)))
}

/** The parameters of {@link appendEventsSql}, checked. @throws InvalidEvent */
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
 * The insert itself, for statements that write an event together with what it tells.
 * @param first number of the first of the parameters that {@link eventColumns} makes
 * @param condition which of the rows, in SQL
 * @param dispatchedAt `null`, or the time when the jobs are inserted in the same transaction
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
