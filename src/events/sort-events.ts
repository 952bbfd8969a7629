import type { EventOf } from './event.ts'
import { sequenceOf } from './sequence.ts'

/**
 * Sorts events by id, which is by time, and the events of each order by sequence, because the
 * clocks of processes differ. Pure: the same events are always in the same order.
 */
export function sortEvents<Event extends EventOf>(events: readonly Event[]): Event[] {
  const sorted = [...events].sort((a, b) => (a.event_id < b.event_id ? -1 : 1))
  const byOrder = Map.groupBy(sorted, topicOf)
  for (const ofOrder of byOrder.values()) {
    if (ofOrder.length > 1) ofOrder.sort((a, b) => (sequenceOf(a) ?? 0) - (sequenceOf(b) ?? 0))
  }
  // Sorting an order by sequence permutes its events among its own places in the list.
  const next = new Map([...byOrder].map(([topic, ofOrder]) => [topic, ofOrder.values()]))
  return sorted.map(event => next.get(topicOf(event))?.next().value ?? event)
}

function topicOf({ order_id, event_id }: EventOf): string {
  return order_id ?? event_id
}
