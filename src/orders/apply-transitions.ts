import type { Tx } from '../db/transaction.ts'
import { type EventOf, follow, type OrderEvent } from '../events/catalogue.ts'
import type { Handled } from '../outbox/consume-events.ts'
import { decideTransition, type OrderState, type TransitionRequest } from './order.ts'
import { saveTransitions, type TransitionToSave } from './save-transitions.ts'

/**
 * Moves the locked orders of these events on from PLACED, as `ask` says. An order that has left PLACED already (it was
 * cancelled meanwhile) is left alone: that is how every interleaving with a cancellation ends well.
 */
export function applyTransitions<Type extends OrderEvent>(
  tx: Tx,
  orders: ReadonlyMap<string, OrderState>,
  events: readonly EventOf<Type>[],
  fresh: ReadonlySet<string>,
  ask: (event: EventOf<Type>) => TransitionRequest,
): Handled {
  const outcomes = new Map<string, string>()
  const saves: TransitionToSave[] = []
  for (const event of events) {
    const order = orders.get(event.order_id)
    if (!order)
      throw new Error(`event ${event.event_id} is about order ${event.order_id}, which does not exist`)
    if (!fresh.has(event.event_id)) {
      outcomes.set(event.event_id, 'already processed')
    } else if (order.status !== 'PLACED') {
      outcomes.set(event.event_id, `nothing to do: the order is ${order.status}`)
    } else {
      const transition = decideTransition(order, ask(event))
      if (transition) saves.push({ transition, trace: follow(event) })
      outcomes.set(event.event_id, `PLACED → ${transition?.to}`)
    }
  }
  return { outcomes, events: saveTransitions(tx, saves, new Date()) }
}
