import type { Tx } from '../db/transaction.ts'
import { type EventOf, follow, type OrderEvent } from '../events/event.ts'
import type { Handled } from '../outbox/event-handler.ts'
import { decideTransition, type OrderState, type TransitionRequest } from './order.ts'
import { saveTransitions, type TransitionToSave } from './save-transitions.ts'

/**
 * Applies a transition of the system to the order of each event. The caller has locked the orders,
 * so the status that is decided on here is the status that is updated. An order that is no longer
 * PLACED stays unchanged: a client cancelled it first. This rule makes every interleaving of the
 * pipeline with a cancellation end in the same, legal state.
 * @param claimed ids of the events that are handled for the first time; the others have no effect
 * @throws Error when the order of an event does not exist; the job is then retried
 */
export function applyTransitions<Type extends OrderEvent>(
  tx: Tx,
  orders: ReadonlyMap<string, OrderState>,
  events: readonly EventOf<Type>[],
  claimed: ReadonlySet<string>,
  requestFor: (event: EventOf<Type>) => TransitionRequest,
): Handled {
  const outcomes = new Map<string, string>()
  const saves: TransitionToSave[] = []
  for (const event of events) {
    const order = orders.get(event.order_id)
    if (!order) throw new Error(`event ${event.event_id} names order ${event.order_id}, which does not exist`)
    if (!claimed.has(event.event_id)) {
      outcomes.set(event.event_id, 'already processed')
    } else if (order.status !== 'PLACED') {
      outcomes.set(event.event_id, `no transition: the order is ${order.status}`)
    } else {
      const transition = decideTransition(order, requestFor(event))
      if (transition) saves.push({ transition, by: null, trace: follow(event) })
      outcomes.set(event.event_id, `PLACED → ${transition?.to}`)
    }
  }
  return { outcomes, events: saveTransitions(tx, saves) }
}
