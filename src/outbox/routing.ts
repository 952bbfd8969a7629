import type { EventType } from '../events/catalogue.ts'
import type { EventOf } from '../events/event.ts'
import type { QueueName } from '../jobs/queues.ts'

/** One step that follows from an event. */
export interface Route {
  /** queue of the step's jobs, and its consumer in `processed_events` */
  queue: QueueName
  /** whether the worker that emits the event handles it in the same transaction, without a job */
  chained: boolean
  /** property of the payload with the time at which the job starts; null there: there is no job */
  startAt?: string
}

const queued = (queue: QueueName): Route => ({ queue, chained: false })
const deferred = (queue: QueueName, startAt: string): Route => ({ queue, chained: false, startAt })
const chained = (queue: QueueName): Route => ({ queue, chained: true })

/**
 * Which steps follow which event: every step of the asynchronous pipeline starts here. An event has
 * one job in each of its queues; a deferred one starts at a time in the payload. A chained step
 * concerns the order that its event's emitter has locked, so it needs no job unless something goes
 * wrong (chain-steps.ts). In addition, every event has one delivery per subscribed webhook.
 */
export const routing = {
  'order.placed.v1': [queued('inventory.deduct')],
  'inventory.deducted.success.v1': [chained('order.prepare')],
  'inventory.deducted.failed.v1': [chained('order.reject')],
  'order.cancelled.v1': [queued('inventory.restore')],
  'inventory.low_stock.v1': [],
  'inventory.item.changed.v1': [deferred('inventory.return', 'inactive_until')],
  'restaurant.changed.v1': [deferred('inventory.return', 'inactive_until')],
  'order.status.preparing.v1': [],
  'order.ready.v1': [],
  'order.unready.v1': [],
  'order.status.out_for_delivery.v1': [],
  'order.status.delivered.v1': [],
} as const satisfies Record<EventType, readonly Route[]>

/** Returns the types of the events that have a step in the queue. */
export function typesRoutedTo(queue: QueueName): EventType[] {
  const entries = Object.entries<readonly Route[]>(routing) as [EventType, readonly Route[]][]
  return entries.flatMap(([type, routes]) => (routes.some(route => route.queue === queue) ? type : []))
}

/** Returns the steps that follow from an event. */
export function routesOf({ type, payload }: Pick<EventOf, 'type' | 'payload'>): readonly Route[] {
  const routes: readonly Route[] = routing[type]
  return routes.filter(({ startAt }) => startAt === undefined || timeIn(payload, startAt) !== null)
}

/** Returns the option of pg-boss that makes a deferred job start at its time. */
export function startOf({ startAt }: Route, { payload }: Pick<EventOf, 'payload'>): { startAfter?: string } {
  const startAfter = startAt === undefined ? null : timeIn(payload, startAt)
  return startAfter === null ? {} : { startAfter }
}

function timeIn(payload: object, property: string): string | null {
  return (payload as Record<string, string | null>)[property] ?? null
}
