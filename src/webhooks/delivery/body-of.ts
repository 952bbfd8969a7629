import { toCloudEvent } from '../../events/cloud-event.ts'
import type { EventOf } from '../../events/event.ts'
import { toTestEvent } from '../test-event.ts'
import type { LeasedDelivery } from './claim-deliveries.ts'

/** Returns the body of a delivery, which is the same for every attempt. */
export function bodyOf(delivery: LeasedDelivery, publicUrl: string): string {
  const { event_id, type, restaurant_id, order_id, payload, trace_context } = delivery
  if (payload === null) return JSON.stringify(toTestEvent(delivery, publicUrl))
  const event = { event_id, type, restaurant_id, order_id, payload, trace_context: trace_context ?? {} }
  return JSON.stringify(toCloudEvent(event as EventOf, publicUrl))
}
