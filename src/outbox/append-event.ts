import type { Tx } from '../db/transaction.ts'
import { checkEvent, type EventOf } from './events.ts'
import { type MatchedDelivery, matchSubscriptionsSql } from './match-subscriptions.ts'

/**
 * Appends events to the outbox, in the transaction of what they tell: both stay or neither does. Left under way.
 * @throws InvalidEvent when a payload is not what the catalogue says
 */
export function appendEvents(tx: Tx, events: readonly EventOf[]): void {
  if (events.length > 0) tx.leaveUnderWay(tx.execute(appendEventsSql('$1', 'null'), [outboxRows(events)]))
}

/** The rows of {@link appendEventsSql}, checked. */
export function outboxRows(events: readonly EventOf[]): string {
  for (const event of events) checkEvent(event)
  return JSON.stringify(events)
}

/**
 * Appends events whose jobs are inserted in the same transaction, and tells which subscriptions hear of them.
 * @throws InvalidEvent when a payload is not what the catalogue says
 */
export async function appendDispatched(tx: Tx, events: readonly EventOf[]): Promise<MatchedDelivery[]> {
  return await tx.query<MatchedDelivery>(appendDispatchedSql, [outboxRows(events)])
}

/**
 * The insert itself, for statements that write an event together with what it tells.
 * @param rows the parameter that holds {@link outboxRows}
 * @param condition which of the rows, in SQL
 * @param dispatchedAt `null`, or the time when the jobs are inserted in the same transaction
 */
export function appendEventsSql(
  rows: string,
  dispatchedAt: 'null' | 'clock_timestamp()',
  condition = 'true',
): string {
  return `
    insert into outbox_events (event_id, restaurant_id, type, order_id, payload, trace_context, dispatched_at, attempts)
    select event_id, restaurant_id, type, order_id, payload, trace_context, ${dispatchedAt}, ${dispatchedAt === 'null' ? 0 : 1}
    from json_to_recordset(${rows}::text::json) as event (event_id uuid, restaurant_id uuid, type text, order_id uuid,
      payload jsonb, trace_context jsonb)
    where ${condition}
    on conflict do nothing
  `
}

const appendDispatchedSql = `
  with appended as (
    ${appendEventsSql('$1', 'clock_timestamp()')}
    returning event_id, restaurant_id, type, order_id, payload
  )
  ${matchSubscriptionsSql('appended')}
`
