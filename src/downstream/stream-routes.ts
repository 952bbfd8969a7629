import { z } from 'zod'
import { requireSight } from '../http/caller.ts'
import { type Route, route } from '../http/route.ts'
import { orderParams } from '../orders/order-contract.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { orderStream, parseSequence, type StreamOptions } from './order-stream.ts'

const frames = z.string().meta({ description: 'Server-sent events' })

/** What happens, as it happens. */
export function streamRoutes(options: StreamOptions): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/orders/{order_id}/stream',
      operationId: 'streamOrder',
      scope: 'orders:read',
      summary: 'Follow an order live',
      description:
        'Server-sent events: the order as it is (`event: snapshot`), then each of its events as a CloudEvent, once and in order. `id` is the `sequence`; a client that comes back with `Last-Event-ID` gets what it has missed instead of the snapshot.',
      tag: 'Orders',
      params: orderParams,
      resource: 'order',
      isStream: true,
      status: 200,
      statusDescription: 'Goes on until either side ends it; a comment at least every 15 s keeps it alive',
      replySchema: frames,
      replyExample: orderFrames,
      errors: [
        {
          code: 'order-not-found',
          detail: `No order has the id ${demoIds.restaurant}`,
          fields: { id: demoIds.restaurant },
        },
      ],
      handle: async ({ params: { order_id }, caller, lastEventId }) => {
        const after = lastEventId === undefined ? undefined : parseSequence(lastEventId)
        const reply = await orderStream(options, order_id, after)
        requireSight(caller, reply.restaurantId, 'order', order_id)
        return reply
      },
    }),
  ]
}

const orderFrames = `retry:1250

event:snapshot
id:1
data:{"order_id":"${demoIds.order}","status":"PLACED", …}

event:inventory.deducted.success.v1
id:2
data:{"specversion":"1.0","type":"inventory.deducted.success.v1","subject":"orders/${demoIds.order}","sequence":"2", …}

event:order.status.preparing.v1
id:3
data:{"specversion":"1.0","type":"order.status.preparing.v1","subject":"orders/${demoIds.order}","sequence":"3", …}

:heartbeat

`
