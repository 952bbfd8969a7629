import type { EventType } from '../events/catalogue.ts'
import { DELIVERY_QUEUE, type QueueName } from '../jobs/queues.ts'

/**
 * Which jobs follow which event: every step of the asynchronous pipeline starts here. An event has
 * one job in each of its queues; in `downstream.deliver`, one job per subscribed webhook.
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

/** Returns the queues that get one job per event of this type. The fan-out adds the deliveries. */
export function queuesOf(type: EventType): readonly QueueName[] {
  return eventRoutes[type]
}

const eventRoutes = Object.fromEntries(
  Object.entries(routing).map(([type, queues]) => [type, queues.filter(queue => queue !== DELIVERY_QUEUE)]),
) as Record<RoutedType, QueueName[]>
