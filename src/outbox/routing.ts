import type { EventType } from '../events/catalogue.ts'
import { DELIVERY_QUEUE, type QueueName } from '../jobs/queues.ts'

/**
 * Which jobs follow from which event. The one table of it: everything the slow path does starts here.
 * Of `downstream.deliver` there is one for each subscription that hears of the event; of every other, one.
 */
export const routing = {
  'order.placed.v1': ['inventory.deduct', 'downstream.deliver'],
  'inventory.deducted.success.v1': ['order.prepare', 'downstream.deliver'],
  'inventory.deducted.failed.v1': ['order.reject', 'downstream.deliver'],
  'order.cancelled.v1': ['inventory.restore', 'downstream.deliver'],
  'inventory.low_stock.v1': ['downstream.deliver'],
  'order.status.preparing.v1': ['downstream.deliver'],
  'order.status.out_for_delivery.v1': ['downstream.deliver'],
  'order.status.delivered.v1': ['downstream.deliver'],
} as const satisfies Record<EventType, readonly (QueueName | typeof DELIVERY_QUEUE)[]>

type RoutedType = keyof typeof routing

/** The queues in which an event of this type makes one job. Webhook deliveries are made by the fan-out. */
export function queuesOf(type: EventType): readonly QueueName[] {
  return eventRoutes[type]
}

const eventRoutes = Object.fromEntries(
  Object.entries(routing).map(([type, queues]) => [type, queues.filter(queue => queue !== DELIVERY_QUEUE)]),
) as Record<RoutedType, QueueName[]>
