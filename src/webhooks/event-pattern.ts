import { eventCatalogue } from '../events/catalogue.ts'

/** Patterns of event types: one type (`order.placed.v1`), a prefix (`order.*`), or all (`*`). */

const PATTERN = /^(?:\*|[a-z_]+(?:\.[a-z_\d]+)*(?:\.\*)?)$/

export const EVERY_EVENT = '*'

/** Returns whether `pattern` is valid and matches at least one event type of the catalogue. */
export function isEventPattern(pattern: string): boolean {
  return PATTERN.test(pattern) && Object.keys(eventCatalogue).some(type => matches(pattern, type))
}

function matches(pattern: string, type: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern
}

/** Returns the pattern for SQL `like`. A prefix also matches event types that are added later. */
export function likePattern(pattern: string): string {
  return pattern.replaceAll('_', '\\_').replace(/\*$/, '%')
}
