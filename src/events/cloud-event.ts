import { z } from 'zod'
import { timeOfId } from '../platform/ids.ts'
import { type EventType, eventCatalogue, isAboutOrder } from './catalogue.ts'
import type { EventOf } from './event.ts'
import { sequenceOf } from './sequence.ts'

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
  .regex(/^[1-9][0-9]*$/)
  .meta({
    description:
      'Place among the events of its order: rising, so that what is older than what you have seen can be told; not gapless',
  })

/** The shape of {@link CloudEvent}, for documents and tests. */
export function cloudEventSchema(type: EventType): z.ZodObject {
  return z.object({
    ...cloudEventFields,
    type: z.literal(type).meta({ description: 'What happened' }),
    ...(isAboutOrder(type) ? { sequence } : {}),
    traceparent: z.string().optional().meta({ description: 'W3C Trace Context, where traces are on' }),
    data: eventCatalogue[type].payload,
  })
}
