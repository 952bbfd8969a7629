import { z } from 'zod'
import { timeOfId } from '../platform/ids.ts'
import { type EventOf, type EventType, eventCatalogue } from './catalogue.ts'

/** More than any order has steps, and what a `smallint` holds. */
const MAX_SEQUENCE = 32_767

/**
 * An event as others get it: CloudEvents 1.0 in JSON, with its Sequence and Distributed Tracing extensions.
 * `data` is the payload of the catalogue.
 */
export interface CloudEvent<Type extends EventType = EventType> {
  specversion: '1.0'
  /** the event's id: stable, however often it is sent */
  id: string
  /** the system that it comes from, by its public URL */
  source: string
  type: Type
  /** what it is about: `orders/{order_id}`, or `menu-items/{menu_item_id}` */
  subject: string
  /** RFC 3339, UTC */
  time: string
  datacontenttype: 'application/json'
  /** URL of the JSON Schema of `data` */
  dataschema: string
  /** see {@link sequenceOf}; left out of events that are about no order */
  sequence?: string
  /** W3C Trace Context, where traces are on */
  traceparent?: string
  data: EventOf<Type>['payload']
}

/**
 * What others get of an event. Pure: the same event is the same bytes every time.
 * @param publicUrl where the API is reached from outside, without a slash at its end
 */
export function toCloudEvent<Type extends EventType>(
  event: EventOf<Type>,
  publicUrl: string,
): CloudEvent<Type> {
  const { event_id, type, payload, trace_context } = event
  const sequence = sequenceOf(event)
  return {
    specversion: '1.0',
    id: event_id,
    source: publicUrl,
    type,
    subject: subjectOf(event),
    time: timeOfId(event_id).toISOString(),
    datacontenttype: 'application/json',
    dataschema: `${publicUrl}${schemaPath(type)}`,
    ...(sequence === undefined ? {} : { sequence: String(sequence) }),
    ...(trace_context.traceparent ? { traceparent: trace_context.traceparent } : {}),
    data: payload,
  }
}

/** Where the JSON Schema of a type's data is served. */
export function schemaPath(type: EventType): string {
  return `/schemas/${type}.json`
}

/**
 * The place of an event among those of its order, rising from 1: the nth step of the order's history is 2n − 1, and what
 * became of its stock stands between the first step and the second, at 2. It rises without being gapless: an order that
 * is cancelled before its stock is looked at has no 2. What is gapless is the history itself, by `seq` in `data`.
 * @returns undefined for events that are about no order
 */
export function sequenceOf({ type, payload }: Pick<EventOf, 'type' | 'payload'>): number | undefined {
  if ('seq' in payload) return 2 * payload.seq - 1
  if (type === 'order.placed.v1') return 1
  return type === 'inventory.low_stock.v1' ? undefined : 2
}

/** {@link sequenceOf} in SQL, of an event `e` of the outbox. It takes any payload: what is wrong with it is found later. */
export const sequenceSql = `
  case
    when e.order_id is null then null
    when jsonb_typeof(e.payload -> 'seq') = 'number'
      then greatest(-1, least(2 * (e.payload ->> 'seq')::numeric - 1, ${MAX_SEQUENCE}))::smallint
    when e.type = 'order.placed.v1' then 1
    else 2
  end`

function subjectOf({ payload }: EventOf): string {
  return 'order_id' in payload ? `orders/${payload.order_id}` : `menu-items/${payload.menu_item_id}`
}

/** What every event has, whatever it is of. */
export const cloudEventFields = {
  specversion: z.literal('1.0').meta({ description: 'Version of CloudEvents' }),
  id: z
    .uuid()
    .meta({ description: 'Id of the event: the same however often it is sent. Know repetitions by it' }),
  source: z.url().meta({ description: 'The system that it comes from, by its public URL' }),
  subject: z
    .string()
    .min(1)
    .meta({ description: 'What it is about: `orders/{order_id}`, or `menu-items/{menu_item_id}`' }),
  time: z.iso.datetime().meta({ description: 'When it happened, in UTC' }),
  datacontenttype: z.literal('application/json').meta({ description: 'What `data` is in' }),
  dataschema: z.url().meta({ description: 'URL of the JSON Schema of `data`' }),
} as const

const sequence = z
  .string()
  .regex(/^[1-9]$/)
  .meta({
    description:
      'Place among the events of its order: rising, so that what is older than what you have seen can be told; not gapless',
  })

/** The shape of {@link CloudEvent}, for documents and tests. */
export function cloudEventSchema(type: EventType): z.ZodObject {
  return z.object({
    ...cloudEventFields,
    type: z.literal(type).meta({ description: 'What happened' }),
    ...(type === 'inventory.low_stock.v1' ? {} : { sequence }),
    traceparent: z.string().optional().meta({ description: 'W3C Trace Context, where traces are on' }),
    data: eventCatalogue[type],
  })
}
