import type { JsonSchema } from '../../src/events/event-schemas.ts'
import { excess } from './schema-compatibility.ts'

/** The JSON Schemas of whole events, by their type. */
export type Catalogue = Readonly<Record<string, JsonSchema>>

/**
 * What in `current` breaks a promise that `released` has made. There are two whom a change can
 * break:
 * - Consumers were told what has been released. An event of today has to be one of then, but for
 * properties that are new;   and what was there has to be there still.
 * - Events that are written already, in the outbox, in jobs and wherever they are sent again from,
 * are held against   today's catalogue, and would be quarantined where it refuses them. So the
 * `data` of then has to be `data` of today.
 *
 * New types and new optional properties break neither. Whatever else changes makes a `v2`.
 * @returns a line for each change, naming the type and the place in the event
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
