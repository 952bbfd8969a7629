import type { QueueName } from '../jobs/catalogue.ts'
import type { EventType } from './events.ts'

/** Which jobs follow from which event. The one table of it: everything the slow path does starts here. */
export const routing = {
  'order.placed.v1': ['inventory.deduct'],
  'inventory.deducted.success.v1': ['order.prepare'],
  'inventory.deducted.failed.v1': ['order.reject'],
  'order.cancelled.v1': ['inventory.restore'],
  'inventory.low_stock.v1': [],
  'order.status.preparing.v1': [],
  'order.status.out_for_delivery.v1': [],
  'order.status.delivered.v1': [],
} as const satisfies Record<EventType, readonly QueueName[]>
