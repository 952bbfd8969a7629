import type { EventOf } from './event.ts'
import { sequenceOf } from './sequence.ts'

/**
 * Events in the order to tell them: by their ids, which sort by time, but those of an order by their sequence, whatever
 * the clocks of the processes said. Pure: the same events are in the same order every time and everywhere.
 */
export function sortEvents<Event extends EventOf>(events: readonly Event[]): Event[] {
  const sorted = [...events].sort((a, b) => (a.event_id < b.event_id ? -1 : 1))
  const byOrder = Map.groupBy(sorted, topicOf)
  for (const its of byOrder.values()) {
    if (its.length > 1) its.sort((a, b) => (sequenceOf(a) ?? 0) - (sequenceOf(b) ?? 0))
  }
  // Each place that an order has keeps being that order's.
  const places = new Map([...byOrder].map(([topic, its]) => [topic, its.values()]))
  return sorted.map(event => places.get(topicOf(event))?.next().value ?? event)
}

function topicOf({ order_id, event_id }: EventOf): string {
  return order_id ?? event_id
}
