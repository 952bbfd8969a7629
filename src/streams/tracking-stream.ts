import type { Database } from '../db/database.ts'
import type { NewEvent } from '../events/read-new-events.ts'
import type { StreamReply } from '../http/route-reply.ts'
import { frameOf } from '../http/sse/event-stream.ts'
import { isFinal } from '../orders/order.ts'
import type { EventTailer } from './event-tailer.ts'
import { readTrackedOrder, trackedStepOf } from './tracked-order.ts'

/**
 * Returns the stream of an order for its customer: the order, then each further step. It ends after
 * the step that ends the order. It cannot be resumed: the order has all steps so far.
 * @throws NotFound, TrackingLinkExpired
 */
export async function trackingStream(
  database: Database,
  reader: EventTailer,
  orderId: string,
): Promise<StreamReply> {
  const { order, restaurantId, position } = await readTrackedOrder(database, orderId)
  return {
    restaurantId,
    start: async stream => {
      const last = order.steps.at(-1)
      stream.send(frameOf('order', String(last?.seq), JSON.stringify(order)))
      if (last && isFinal(last.status)) return stream.end()
      const send = (rendered: string, events: readonly NewEvent[]) => {
        stream.send(rendered)
        if (events.some(endsOrder)) stream.end()
      }
      const restart = () => stream.end()
      const topic = { restaurantId, orderId }
      stream.onClose(reader.subscribe({ topic, format: 'steps', position, render, send, restart }))
    },
  }
}

function endsOrder(event: NewEvent): boolean {
  const step = trackedStepOf(event)
  return step !== undefined && isFinal(step.status)
}

function render(events: readonly NewEvent[]): string {
  const steps = events.map(trackedStepOf).filter(step => step !== undefined)
  return steps.map(step => frameOf('step', String(step.seq), JSON.stringify(step))).join('')
}
