import type { Database } from '../db/database.ts'
import { type Route, route } from '../http/route.ts'
import { restaurantRouteDefaults } from '../inventory/restaurant-route-defaults.ts'
import { readRestaurant } from '../inventory/stock-queries.ts'
import { assertCanAccess } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { QueryInvalid } from '../platform/errors.ts'
import { readStats } from './read-stats.ts'
import {
  hoursBetween,
  MAX_HOUR_COUNT,
  presentStats,
  rangeOf,
  type StatsReply,
  statsQuery,
  statsReply,
} from './stats-contract.ts'

export function statsRoutes({ database }: { database: Database }): Route[] {
  return [
    route({
      ...restaurantRouteDefaults,
      path: '/api/v1/restaurants/{restaurant_id}/stats',
      operationId: 'getStats',
      summary: 'Get the statistics of a restaurant',
      description:
        'Returns orders, revenue, cancellations, stock-outs and the mean time in each status, per hour (UTC) in which the orders were placed. Eventually consistent: `as_of` is a few seconds ago.',
      query: statsQuery,
      statusDescription: 'The hours with orders, and the totals',
      replySchema: statsReply,
      replyExample: example,
      handle: async ({ params: { restaurant_id }, query, caller }) => {
        assertCanAccess(caller, restaurant_id, 'restaurant', restaurant_id)
        const range = rangeOf(query, new Date())
        const hours = hoursBetween(range)
        if (!(hours > 0 && hours <= MAX_HOUR_COUNT)) {
          const detail = `must be after \`from\`, by at most ${MAX_HOUR_COUNT} hours`
          throw new QueryInvalid([{ parameter: 'to', detail }])
        }
        const restaurant = await readRestaurant(database, restaurant_id)
        const stats = await readStats(database, restaurant_id, range.from, range.to)
        return { body: presentStats(restaurant, range, stats) }
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
}

const example: StatsReply = {
  restaurant_id: demoIds.restaurant,
  currency: 'EUR',
  from: '2026-11-21T19:00:00.000Z',
  to: '2026-11-22T19:00:00.000Z',
  as_of: '2026-11-22T18:59:58.120Z',
  totals: counts,
  hours: [{ hour: '2026-11-22T18:00:00.000Z', ...counts }],
}
