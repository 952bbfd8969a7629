import { z } from 'zod'
import { timeOfId } from '../platform/ids.ts'
import { ORDER_CODE, orderCode } from '../platform/order-code.ts'
import { type EventType, eventCatalogue, isAboutOrder } from './catalogue.ts'
import type { EventOf } from './event.ts'
import { sequenceOf } from './sequence.ts'

/**
 * An event as webhooks and streams publish it: CloudEvents 1.0 in JSON, with the extensions
 * Sequence and Distributed Tracing. `data` is the payload of the catalogue.
 */
export interface CloudEvent<Type extends EventType = EventType> {
  specversion: '1.0'
  /** id of the event, the same in every delivery */
  id: string
  /** public URL of the system that published it */
  source: string
  type: Type
  /** `orders/{order_id}`, `menu-items/{menu_item_id}` or `restaurants/{restaurant_id}` */
  subject: string
  /** RFC 3339, UTC */
  time: string
  datacontenttype: 'application/json'
  /** URL of the JSON Schema of `data` */
  dataschema: string
  /** see {@link sequenceOf}; only in events about an order */
  sequence?: string
  /** W3C Trace Context, if tracing is on */
  traceparent?: string
  /** the payload; with the code of the order in events about one */
  data: EventOf<Type>['payload'] & { code?: string }
}

/**
 * Returns the CloudEvent of an event. Pure: the same event is always rendered as the same bytes.
 * @param publicUrl public URL of the API, without a trailing slash
 */
export function toCloudEvent<Type extends EventType>(
  event: EventOf<Type>,
  publicUrl: string,
): CloudEvent<Type> {
  const { event_id, type, order_id, payload, trace_context } = event
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
    data: { ...payload, ...(order_id === null ? {} : { code: orderCode(order_id) }) },
  }
}

/** Returns the path of the schema of a type's `data`. */
export function schemaPath(type: EventType): string {
  return `/schemas/${type}.json`
}

function subjectOf({ payload }: EventOf): string {
  if ('order_id' in payload) return `orders/${payload.order_id}`
  return 'menu_item_id' in payload
    ? `menu-items/${payload.menu_item_id}`
    : `restaurants/${payload.restaurant_id}`
}

/** Fields of every CloudEvent, test events of webhooks included. */
export const cloudEventFields = {
  specversion: z.literal('1.0').meta({ description: 'Version of CloudEvents' }),
  id: z
    .uuid()
    .meta({ description: 'Id of the event, the same in every delivery: use it to detect duplicates' }),
  source: z.url().meta({ description: 'Public URL of the system that published the event' }),
  subject: z.string().min(1).meta({
    description:
      'Subject of the event: `orders/{order_id}`, `menu-items/{menu_item_id}` or `restaurants/{restaurant_id}`',
  }),
  time: z.iso.datetime().meta({ description: 'Time of the event, in UTC' }),
  datacontenttype: z.literal('application/json').meta({ description: 'Media type of `data`' }),
  dataschema: z.url().meta({ description: 'URL of the JSON Schema of `data`' }),
} as const

const sequence = z
  .string()
  .regex(/^[1-9][0-9]*$/)
  .meta({
    description:
      'Place among the events of the order. It rises, with gaps: an event with a lower sequence than one you have processed is older',
  })

/**
 * Returns the schema of the `data` of a published event: the stored payload, and the code that is
 * derived from `order_id`.
 */
export function publishedData(type: EventType): z.ZodObject {
  const payload: z.ZodObject = eventCatalogue[type].payload
  return isAboutOrder(type) ? payload.extend({ code }).meta(payload.meta() ?? {}) : payload
}

const code = z
  .string()
  .regex(ORDER_CODE)
  .optional()
  .meta({ description: 'Short code of the order, by which people name it; not unique for ever' })

/** Returns the schema of {@link CloudEvent} of a type, for documents and tests. */
export function cloudEventSchema(type: EventType): z.ZodObject {
  return z.object({
    ...cloudEventFields,
    type: z.literal(type).meta({ description: 'Type of the event' }),
    ...(isAboutOrder(type) ? { sequence } : {}),
    traceparent: z.string().optional().meta({ description: 'W3C Trace Context, if tracing is on' }),
    data: publishedData(type),
  })
}
