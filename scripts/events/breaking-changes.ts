import type { JsonSchema } from '../../src/events/event-schemas.ts'
import { excess } from './schema-compatibility.ts'

/** The JSON Schemas of whole events, by their type. */
export type Catalogue = Readonly<Record<string, JsonSchema>>

/**
 * Returns the changes of `current` that are not compatible with `released`, one line per change
 * with the type and the place in the event. A change can break two parties:
 * - Consumers of the released events. A current event must be a valid released event, apart from
 * new   properties, and no property may be missing.
 * - Stored events, in the outbox, in jobs and in deliveries. They are validated by the current
 * catalogue, so released `data` must be valid current `data`.
 *
 * New types and new optional properties break neither party. Any other change needs a `v2`.
 */
export function breakingChanges(released: Catalogue, current: Catalogue): string[] {
  return Object.entries(released).flatMap(([type, then]) => {
    const now = current[type]
    if (!now) return [`${type} has been released and is gone`]
    const untold = excess(now, then, { missing: 'counts' })
    const refused = excess(dataOf(then), dataOf(now), { missing: 'counts if required' }, '/data')
    return [
      ...untold.map(({ at, what }) => `${type} ${at} ${what}: consumers were not told`),
      ...refused.map(
        ({ at, what }) => `${type} ${at} ${what} in events already written: they would be refused`,
      ),
    ]
  })
}

function dataOf({ properties }: JsonSchema): JsonSchema {
  return properties?.['data'] ?? {}
}
