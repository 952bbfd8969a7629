import type { EventType } from '../events/catalogue.ts'
import type { QueueName } from '../jobs/queues.ts'

/** One step that follows from an event. */
interface Route {
  /** queue of the step's jobs, and its consumer in `processed_events` */
  queue: QueueName
  /** whether the worker that emits the event handles it in the same transaction, without a job */
  chained: boolean
}

const queued = (queue: QueueName): Route => ({ queue, chained: false })
const chained = (queue: QueueName): Route => ({ queue, chained: true })

/**
 * Which steps follow which event: every step of the asynchronous pipeline starts here. An event has
 * one job in each of its queues. A chained step concerns the order that its event's emitter has
 * locked, so it needs no job unless something goes wrong (chain-steps.ts). In addition, every event
 * has one delivery per subscribed webhook.
 */
export const routing = {
  'order.placed.v1': [queued('inventory.deduct')],
  'inventory.deducted.success.v1': [chained('order.prepare')],
  'inventory.deducted.failed.v1': [chained('order.reject')],
  'order.cancelled.v1': [queued('inventory.restore')],
  'inventory.low_stock.v1': [],
  'order.status.preparing.v1': [],
  'order.ready.v1': [],
  'order.unready.v1': [],
  'order.status.out_for_delivery.v1': [],
  'order.status.delivered.v1': [],
} as const satisfies Record<EventType, readonly Route[]>

/** Returns the steps that follow from an event of this type. */
export function routesOf(type: EventType): readonly Route[] {
  return routing[type]
}
