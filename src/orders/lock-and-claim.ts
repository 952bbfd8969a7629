import type { Tx } from '../db/transaction.ts'
import type { EventOf, OrderEvent } from '../events/event.ts'
import { claimEvents, claimNewEvents } from '../jobs/inbox.ts'
import type { QueueName } from '../jobs/queues.ts'
import { lockOrders } from './lock-orders.ts'
import type { OrderState } from './order.ts'

/** The locked orders of a batch of events, and the events to handle. */
interface LockedBatch {
  /** by order id */
  orders: ReadonlyMap<string, OrderState>
  /** ids of the events that `consumer` has not processed before; the others are duplicates */
  claimed: ReadonlySet<string>
}

/**
 * Begins the handling of events about orders: locks the orders, then claims the events.
 * @param locked the orders, if the transaction holds their locks because the events are its own.
 * Then nothing is awaited here; the transaction fails to commit if such an event is not new.
 */
export async function lockAndClaim(
  tx: Tx,
  consumer: QueueName,
  events: readonly EventOf<OrderEvent>[],
  locked?: ReadonlyMap<string, OrderState>,
): Promise<LockedBatch> {
  if (locked) {
    tx.pipeline(claimNewEvents(tx, consumer, events))
    return { orders: locked, claimed: new Set(events.map(({ event_id }) => event_id)) }
  }
  const [orders, claimed] = await Promise.all([lockOrders(tx, events), claimEvents(tx, consumer, events)])
  return { orders, claimed }
}
