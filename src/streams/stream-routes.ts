import { z } from 'zod'
import { type Route, route } from '../http/route.ts'
import { restaurantRouteDefaults } from '../inventory/restaurant-route-defaults.ts'
import { openStatuses } from '../orders/order.ts'
import { openOrdersQuery } from '../orders/order-contract.ts'
import { orderRouteDefaults } from '../orders/order-route-defaults.ts'
import { assertCanAccess } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { orderStream, parseResumeEvent } from './order-stream.ts'
import { type RestaurantStreamOptions, restaurantStream } from './restaurant-stream.ts'

const KEPT_ALIVE = 'A comment at least every 15 s keeps it alive'

const streams = {
  isStream: true,
  replySchema: z.string().meta({ description: 'Server-sent events' }),
} as const

/** Live streams of orders and restaurants. */
export function streamRoutes(options: RestaurantStreamOptions): Route[] {
  return [
    route({
      ...orderRouteDefaults,
      ...streams,
      path: '/api/v1/orders/{order_id}/stream',
      operationId: 'streamOrder',
      summary: 'Follow an order live',
      description:
        'Server-sent events: a snapshot of the order (`event: snapshot`), then each event of the order as a CloudEvent, exactly once and in order. `id` names the event, from which clients resume; a client that reconnects with `Last-Event-ID` gets the events it has missed instead of the snapshot. The stream ends after the final event, which makes the order DELIVERED or CANCELLED.',
      statusDescription: `Ends after the final event of the order. ${KEPT_ALIVE}`,
      emptyDescription:
        'The order is finished, and `Last-Event-ID` is its final event: browsers stop reconnecting',
      replyExample: orderFrames,
      handle: async ({ params: { order_id }, caller, lastEventId }) => {
        const after = lastEventId === undefined ? undefined : parseResumeEvent(lastEventId)
        const reply = await orderStream(options, order_id, after)
        assertCanAccess(caller, reply.restaurantId, 'order', order_id)
        return reply
      },
    }),
    route({
      ...restaurantRouteDefaults,
      ...streams,
      path: '/api/v1/restaurants/{restaurant_id}/stream',
      query: openOrdersQuery,
      operationId: 'streamRestaurant',
      summary: 'Follow a restaurant live',
      description:
        'Server-sent events: a snapshot of the restaurant and its open orders (`event: snapshot`), then each event of the restaurant, its orders and its menu as a CloudEvent, exactly once, and in order per order. The snapshot has the oldest 1,000 open orders, oldest first, in parts of at most 100: `part` of `part_count`. Only the last part has an `id`. `status` filters the orders of the snapshot, not the events. A client that reconnects with `Last-Event-ID` gets the events it has missed instead of the snapshot.',
      statusDescription: `Stays open until either side closes it. ${KEPT_ALIVE}`,
      replyExample: restaurantFrames,
      handle: async ({
        params: { restaurant_id },
        query: { status = openStatuses },
        caller,
        lastEventId,
      }) => {
        assertCanAccess(caller, restaurant_id, 'restaurant', restaurant_id)
        return await restaurantStream(options, restaurant_id, [...new Set(status)], lastEventId)
      },
    }),
  ]
}

const restaurantFrames = `retry:1250

event:snapshot
id:kq3V…
data:{"restaurant":{"restaurant_id":"${demoIds.restaurant}", …},"open_orders":[ … ],"has_more_open_orders":false,"part":1,"part_count":1}

event:order.placed.v1
id:Zb1x…
data:{"specversion":"1.0","type":"order.placed.v1","subject":"orders/${demoIds.order}","sequence":"1", …}

:heartbeat
id:Zb1x…

`

const orderFrames = `retry:1250

event:snapshot
id:1-01a2…
data:{"order_id":"${demoIds.order}","status":"PLACED", …}

event:inventory.deducted.success.v1
id:2-01a2…
data:{"specversion":"1.0","type":"inventory.deducted.success.v1","subject":"orders/${demoIds.order}","sequence":"2", …}

event:order.status.preparing.v1
id:3-01a2…
data:{"specversion":"1.0","type":"order.status.preparing.v1","subject":"orders/${demoIds.order}","sequence":"3", …}

:heartbeat

`
