import type { Database } from '../db/database.ts'
import { type Route, route } from '../http/route.ts'
import { restaurantRouteDefaults } from '../inventory/restaurant-route-defaults.ts'
import { readRestaurant } from '../inventory/stock-queries.ts'
import { assertCanAccess } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { completeRange, readStats } from './read-stats.ts'
import { assertRange, presentStats, type StatsReply, statsQuery, statsReply } from './stats-contract.ts'

export function statsRoutes({ database }: { database: Database }): Route[] {
  return [
    route({
      ...restaurantRouteDefaults,
      path: '/api/v1/restaurants/{restaurant_id}/stats',
      operationId: 'getStats',
      summary: 'Get the statistics of a restaurant',
      description:
        'Returns orders, revenue, cancellations, stock-outs, the mean time in each status and the mean time from PREPARING to ready, by the local hour or day in which the orders were placed. Neighbouring ranges count no order twice. Eventually consistent: `as_of` is a few seconds ago.',
      query: statsQuery,
      statusDescription: 'All periods of the range, and their totals',
      replySchema: statsReply,
      replyExample: example,
      handle: async ({ params: { restaurant_id }, query, caller }) => {
        assertCanAccess(caller, restaurant_id, 'restaurant', restaurant_id)
        const restaurant = await readRestaurant(database, restaurant_id)
        const { granularity, from, to } = query
        const { time_zone } = restaurant
        const range = await completeRange(database, granularity, time_zone, { from, to })
        assertRange(granularity, range)
        const stats = await readStats(database, restaurant_id, granularity, time_zone, range)
        return { body: presentStats(restaurant, granularity, range, stats) }
      },
    }),
  ]
}

const counts = {
  orders: 42,
  revenue: '512.50',
  cancellations: 3,
  stock_outs: 1,
  time_in_status: {
    PLACED: { count: 42, mean_seconds: 0.031 },
    PREPARING: { count: 38, mean_seconds: 840.2 },
    OUT_FOR_DELIVERY: { count: 36, mean_seconds: 1210.75 },
  },
  time_to_ready: { count: 37, mean_seconds: 790.4 },
}

const example: StatsReply = {
  restaurant_id: demoIds.restaurant,
  currency: 'EUR',
  time_zone: 'Europe/Rome',
  granularity: 'hour',
  from: '2026-11-22T18:00:00.000Z',
  to: '2026-11-22T19:00:00.000Z',
  as_of: '2026-11-22T18:59:58.120Z',
  totals: counts,
  periods: [
    {
      start: '2026-11-22T18:00:00.000Z',
      end: '2026-11-22T19:00:00.000Z',
      local_date: '2026-11-22',
      local_time: '19:00',
      ...counts,
    },
  ],
}
