import { randomInt } from 'node:crypto'
import { newId } from './ids.ts'

/**
 * The last 12 bits of an id are a slot. Orders and menu items have the slot of their restaurant, so
 * that a router finds the cell of a restaurant from any of these ids.
 */

const SLOT_DIGITS = 3

/** Returns the slot of an id: three hexadecimal digits. */
export function slotOf(id: string): string {
  return id.slice(-SLOT_DIGITS)
}

/** Returns a new id with the slot of another one. */
export function newIdInSlotOf(id: string): string {
  return newIdInSlot(slotOf(id))
}

/** Returns a new id in one of the slots, chosen at random; in any slot without a set. */
export function newIdInOneOf(slots: ReadonlySet<string> | undefined): string {
  return slots ? newIdInSlot([...slots][randomInt(slots.size)] ?? '') : newId()
}

function newIdInSlot(slot: string): string {
  return newId().slice(0, -SLOT_DIGITS) + slot
}

const RANGE = /^([0-9a-f]{3})(?:-([0-9a-f]{3}))?$/i

/** Returns the slots of a range like `000-7ff`, or of one slot; none if the text is neither. */
export function slotsOf(range: string): string[] {
  const [, first = '', last = first] = RANGE.exec(range) ?? []
  const start = Number.parseInt(first, 16)
  const count = Number.parseInt(last, 16) - start + 1
  return count > 0
    ? Array.from({ length: count }, (_, index) => (start + index).toString(16).padStart(SLOT_DIGITS, '0'))
    : []
}
