import { eventCatalogue } from '../events/catalogue.ts'

/** Which events a subscription hears of: `order.placed.v1`, all that begin alike as `order.*`, or all as `*`. */

const PATTERN = /^(?:\*|[a-z_]+(?:\.[a-z_\d]+)*(?:\.\*)?)$/

/** Every event. */
export const EVERY_EVENT = '*'

/** Whether it is a pattern, and one that an event of the catalogue fits. */
export function isEventPattern(pattern: string): boolean {
  return PATTERN.test(pattern) && Object.keys(eventCatalogue).some(type => matches(pattern, type))
}

function matches(pattern: string, type: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern
}

/** The pattern as SQL's `like` takes it: new types of events that fit are heard of without a change. */
export function likePattern(pattern: string): string {
  return pattern.replaceAll('_', '\\_').replace(/\*$/, '%')
}
