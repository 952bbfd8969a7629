import { z } from 'zod'
import { currency, id, moneyOutput, queryTime, timestamp } from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { formatMoney } from '../platform/money.ts'
import type { HourOfStats, Stats } from './read-stats.ts'

const HOUR_MS = 3_600_000
export const MAX_HOUR_COUNT = 31 * 24
const DEFAULT_HOUR_COUNT = 24

export const statsQuery = z.strictObject({
  from: queryTime.optional().meta({
    description: `Start of the range, rounded down to the hour. Default: ${DEFAULT_HOUR_COUNT} hours before the end`,
  }),
  to: queryTime.optional().meta({
    description: 'End of the range, rounded up to the hour. Default: the end of the current hour',
  }),
})

const stay = z.object({
  count: z.int().meta({ description: 'Orders that have left the status', example: 41 }),
  mean_seconds: z
    .number()
    .nullable()
    .meta({ description: 'Mean time in the status; null if no order has left it', example: 0.031 }),
})

const counts = {
  orders: z.int().meta({ description: 'Orders placed', example: 42 }),
  revenue: moneyOutput('Revenue of the orders that are not cancelled', '512.50'),
  cancellations: z.int().meta({ description: 'Orders that were cancelled, for any reason', example: 3 }),
  stock_outs: z
    .int()
    .meta({ description: 'Orders that were cancelled because stock was insufficient', example: 1 }),
  time_in_status: z.object({ PLACED: stay, PREPARING: stay, OUT_FOR_DELIVERY: stay }),
}

export const statsReply = z
  .object({
    restaurant_id: id('restaurant', demoIds.restaurant),
    currency,
    from: timestamp('Start of the first hour'),
    to: timestamp('End of the last hour'),
    as_of: timestamp('Time up to which events are counted, usually a few seconds ago'),
    totals: z.object(counts),
    hours: z
      .array(z.object({ hour: timestamp('Start of the hour in which the orders were placed'), ...counts }))
      .meta({ description: 'Hours with orders, oldest first' }),
  })
  .meta({ id: 'Stats' })

export type StatsReply = z.infer<typeof statsReply>

/** Returns the range rounded outward to whole hours in UTC. @param now default end of the range */
export function rangeOf(query: z.infer<typeof statsQuery>, now: Date): { from: Date; to: Date } {
  const to =
    Math.ceil((query.to === undefined ? now.getTime() + 1 : Date.parse(query.to)) / HOUR_MS) * HOUR_MS
  const from =
    query.from === undefined
      ? to - DEFAULT_HOUR_COUNT * HOUR_MS
      : Math.floor(Date.parse(query.from) / HOUR_MS) * HOUR_MS
  return { from: new Date(from), to: new Date(to) }
}

/** Returns the number of hours in a range. */
export function hoursBetween({ from, to }: { from: Date; to: Date }): number {
  return (to.getTime() - from.getTime()) / HOUR_MS
}

export function presentStats(
  restaurant: { restaurant_id: string; currency: string; currency_decimals: number },
  { from, to }: { from: Date; to: Date },
  { hours, asOf }: Stats,
): StatsReply {
  const { restaurant_id, currency, currency_decimals } = restaurant
  return {
    restaurant_id,
    currency,
    from: from.toISOString(),
    to: to.toISOString(),
    as_of: asOf.toISOString(),
    totals: presentCounts(hours, currency_decimals),
    hours: hours.map(hour => ({
      hour: hour.hour.toISOString(),
      ...presentCounts([hour], currency_decimals),
    })),
  }
}

function presentCounts(hours: readonly HourOfStats[], decimals: number) {
  const sum = (column: Exclude<keyof HourOfStats, 'hour'>) =>
    hours.reduce((total, hour) => total + hour[column], 0)
  const stayOf = (count: number, ms: number) => ({
    count,
    mean_seconds: count === 0 ? null : Math.round(ms / count) / 1_000,
  })
  return {
    orders: sum('order_count'),
    revenue: formatMoney(sum('revenue_minor'), decimals),
    cancellations: sum('cancellation_count'),
    stock_outs: sum('stock_out_count'),
    time_in_status: {
      PLACED: stayOf(sum('placed_count'), sum('placed_ms')),
      PREPARING: stayOf(sum('preparing_count'), sum('preparing_ms')),
      OUT_FOR_DELIVERY: stayOf(sum('out_for_delivery_count'), sum('out_for_delivery_ms')),
    },
  }
}
