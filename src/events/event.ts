import { z } from 'zod'
import { newId } from '../platform/ids.ts'
import { type EventType, eventCatalogue, isEventType, type Payload } from './catalogue.ts'

/** Travels with an event and with every event and job that follows from it. */
export interface TraceContext {
  /** the HTTP request that started the chain */
  request_id?: string
  /** the event that this one follows from */
  caused_by?: string
  /** W3C Trace Context */
  traceparent?: string
}

/** Types of events about an order. */
export type OrderEvent = {
  [Type in EventType]: Payload<Type> extends { order_id: string } ? Type : never
}[EventType]

type OrderIdOf<Type extends EventType> = Type extends OrderEvent ? string : null

/** An event as stored in the outbox and in job data. */
export interface EventOf<Type extends EventType = EventType> {
  event_id: string
  type: Type
  restaurant_id: string
  order_id: OrderIdOf<Type>
  payload: Payload<Type>
  trace_context: TraceContext
}

/** Returns a new event whose id sorts by time. */
export function newEvent<Type extends EventType>(
  type: Type,
  payload: Payload<Type>,
  trace_context: TraceContext,
): EventOf<Type> {
  return eventFrom(newId(), type, payload, trace_context)
}

/** Returns the example event of the type, the same one at each call. */
export function exampleOf<Type extends EventType>(type: Type): EventOf<Type> {
  const { event_id, payload } = eventCatalogue[type].example
  return eventFrom(event_id, type, payload as Payload<Type>, {})
}

function eventFrom<Type extends EventType>(
  event_id: string,
  type: Type,
  payload: Payload<Type>,
  trace_context: TraceContext,
): EventOf<Type> {
  const { restaurant_id } = payload
  const order_id = ('order_id' in payload ? payload.order_id : null) as OrderIdOf<Type>
  return { event_id, type, restaurant_id, order_id, payload, trace_context }
}

/** Returns the trace context for events that follow from `event`, if there is one. */
export function follow(event: EventOf | undefined): TraceContext {
  return event ? { ...event.trace_context, caused_by: event.event_id } : {}
}

/** The type is not in the catalogue, or the payload does not match its schema. */
export class InvalidEvent extends Error {
  override name = 'InvalidEvent'
}

/** @throws InvalidEvent with the type and every mismatch */
export function checkEvent(event: { type: string; payload: unknown }): asserts event is EventOf {
  if (!isEventType(event.type)) throw new InvalidEvent(`unknown event type ${event.type}`)
  const { error } = eventCatalogue[event.type].payload.safeParse(event.payload)
  if (error) throw new InvalidEvent(`${event.type}: ${z.prettifyError(error).replaceAll('\n', ' ')}`)
}
