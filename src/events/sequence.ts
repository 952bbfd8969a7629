import { eventCatalogue, eventTypes } from './catalogue.ts'
import type { OrderSequence } from './define-event.ts'
import type { EventOf } from './event.ts'
import { sequenceOfStep } from './payload-fields.ts'

/** The largest `integer` of Postgres. */
const MAX_SEQUENCE = 2_147_483_647

const rules = new Map<string, OrderSequence>(
  eventTypes.flatMap(type => {
    const { sequence } = eventCatalogue[type]
    return sequence === null ? [] : [[type, sequence]]
  }),
)

/**
 * Returns the place of an event among the events of its order, by the rule in the catalogue. It
 * rises, with gaps: an order that is cancelled before its stock is deducted has no 2. The gapless
 * number is `seq` in the payload.
 * @returns undefined for events about no order, and for types that only a newer version has
 */
export function sequenceOf({ type, payload }: Pick<EventOf, 'type' | 'payload'>): number | undefined {
  const rule = rules.get(type)
  return rule && applyRule(rule, payload)
}

/** Returns the sequence of the event that records step `seq` of an order's history. */
export function sequenceAtStep(seq: number): number {
  return applyRule(sequenceOfStep, { seq })
}

function applyRule(rule: OrderSequence, payload: object): number {
  if ('fixed' in rule) return rule.fixed
  const value = (payload as Record<string, number>)[rule.property] ?? Number.NaN
  return Math.min(rule.times * value + rule.plus, MAX_SEQUENCE)
}

/**
 * {@link sequenceOf} in SQL, of a row `e` of the outbox: an `integer`, null without an order. It
 * never fails, because it also runs before the payload is checked; a payload that does not match
 * the catalogue gets 1 and is quarantined.
 */
export const sequenceSql = `
  case
    when e.order_id is null then null
    ${Array.from(rules, ([type, rule]) => whenSql(type, rule)).join('\n    ')}
    else 1
  end`

function whenSql(type: string, rule: OrderSequence): string {
  if ('fixed' in rule) return `when e.type = '${type}' then ${rule.fixed}`
  const { property, times, plus } = rule
  const value = `(e.payload ->> '${property}')::numeric`
  return `when e.type = '${type}' and jsonb_typeof(e.payload -> '${property}') = 'number'
      then greatest(1, least(${times} * ${value} + ${plus}, ${MAX_SEQUENCE}))::integer`
}
