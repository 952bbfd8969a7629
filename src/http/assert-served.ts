import type { z } from 'zod'
import { SlotNotServed } from '../platform/errors.ts'
import { slotOf } from '../platform/slots.ts'

/** Names of the parameters and properties whose ids have the slot of a restaurant. */
const slotted = new Set(['restaurant_id', 'restaurant_ids', 'order_id', 'menu_item_id'])

/**
 * Requires that every slotted id in the path, query and body is of a served slot.
 * @param served undefined: all slots
 * @throws SlotNotServed naming the first other id
 */
export function assertServed(served: ReadonlySet<string> | undefined, request: unknown): void {
  if (!served) return
  const other = slottedIds(request).find(id => !served.has(slotOf(id)))
  if (other !== undefined) throw new SlotNotServed(other, slotOf(other))
}

function slottedIds(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, each]: [string, string | string[] | undefined]) =>
    slotted.has(name) ? (each ?? []) : slottedIds(each),
  )
}

/** Returns whether a request with these parameters and properties may name a slotted id. */
export function namesSlot(...schemas: (z.ZodType | undefined)[]): boolean {
  return schemas.some(schema => {
    const { shape = {} } = (schema ?? {}) as { shape?: object }
    return Object.keys(shape).some(name => slotted.has(name))
  })
}
