import type { Tx } from '../db/transaction.ts'
import type { EventType } from '../events/catalogue.ts'
import type { EventOf } from '../events/event.ts'

/** The result of handling a batch of events. */
export interface Handled {
  /** outcome for the log in a few words, by event id */
  outcomes: Map<string, string>
  /** events to publish */
  events: EventOf[]
  /** the orders that the handler locked, by id, which chained steps need not lock again */
  orders?: ReadonlyMap<string, unknown>
}

/**
 * Handles a batch of events in `tx`. Each event takes effect at most once.
 * @param orders the orders of the events, if the transaction has locked them: this is a chained
 * step, and no other transaction has seen its events
 * @throws only if the batch is to be retried
 */
export type EventHandler<Type extends EventType> = (
  tx: Tx,
  events: EventOf<Type>[],
  orders?: ReadonlyMap<string, never>,
) => Promise<Handled>
