import type { z } from 'zod'

type NumberProperty<Payload> = string &
  { [Key in keyof Payload]: Payload[Key] extends number ? Key : never }[keyof Payload]

/** Always the same number, or `times` × a number in the payload + `plus`. */
export type OrderSequence<Property extends string = string> =
  | { readonly fixed: number }
  | { readonly property: Property; readonly times: number; readonly plus: number }

/**
 * The place of an event among the events of its order: a positive integer that rises along every
 * path an order can take. `null` where the payload has no `order_id`. TypeScript and SQL both
 * follow from this rule (./sequence.ts).
 */
type SequenceRule<Payload> = Payload extends { order_id: string }
  ? OrderSequence<NumberProperty<Payload>>
  : null

interface EventEntry<Schema extends z.ZodObject> {
  readonly title: string
  readonly description: string
  readonly payload: Schema
  readonly sequence: SequenceRule<z.infer<Schema>>
  /** Shown in every document. The time in the id is the time of the event. */
  readonly example: { readonly event_id: string; readonly payload: z.infer<Schema> }
}

/** Defines one event of the catalogue. An entry without a rule or an example does not compile. */
export function defineEvent<Schema extends z.ZodObject>(entry: EventEntry<Schema>): EventEntry<Schema> {
  const { title, description, payload } = entry
  return { ...entry, payload: payload.meta({ title, description }) }
}
