import type { Database } from '../db/database.ts'
import { type Route, route } from '../http/route.ts'
import { orderExample } from '../orders/order-examples.ts'
import { orderRouteDefaults } from '../orders/order-route-defaults.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { readTimeline } from './read-timeline.ts'
import { presentTimeline, type TimelineReply, timelineReply } from './timeline-contract.ts'

export function timelineRoutes({ database }: { database: Database }): Route[] {
  return [
    route({
      ...orderRouteDefaults,
      path: '/api/v1/orders/{order_id}/timeline',
      operationId: 'getOrderTimeline',
      summary: 'Get the timeline of an order',
      description:
        'Returns all status transitions with actor and reason, the stock outcome, the events of the order and, with the scope `webhooks:read`, their deliveries to webhooks that you can access.',
      statusDescription: 'The timeline; all parts are of the same moment',
      replySchema: timelineReply,
      replyExample: example,
      handle: async ({ params: { order_id }, caller }) => ({
        body: presentTimeline(await readTimeline(database, caller, order_id)),
      }),
    }),
  ]
}

const placedAt = '2026-11-22T18:30:00.000Z'
const deductedAt = '2026-11-22T18:30:00.008Z'
const preparedAt = '2026-11-22T18:30:00.012Z'

const example: TimelineReply = {
  order_id: demoIds.order,
  code: '7K3Q',
  restaurant_id: demoIds.restaurant,
  status: 'PREPARING',
  transitions: orderExample.timeline,
  stock: { outcome: 'DEDUCTED', deducted_at: deductedAt, restored_at: null, shortages: null },
  events: [
    {
      event_id: '019a0000-0000-7000-8000-000000000e01',
      type: 'order.placed.v1',
      sequence: 1,
      at: placedAt,
    },
    {
      event_id: '019a0000-0000-7000-8000-000000000e02',
      type: 'inventory.deducted.success.v1',
      sequence: 2,
      at: deductedAt,
    },
    {
      event_id: '019a0000-0000-7000-8000-000000000e03',
      type: 'order.status.preparing.v1',
      sequence: 3,
      at: preparedAt,
    },
  ],
  deliveries: [
    {
      delivery_id: demoIds.delivery,
      webhook_id: demoIds.webhook,
      event_id: '019a0000-0000-7000-8000-000000000e01',
      type: 'order.placed.v1',
      state: 'DELIVERED',
      reason: null,
      created_at: placedAt,
      settled_at: deductedAt,
      next_attempt_at: null,
      attempt_count: 1,
      last_status: 204,
    },
  ],
}
