import { z } from 'zod'
import { currency, id, moneyOutput, queryTime, timestamp } from '../http/schema-fields.ts'
import { timeZone } from '../inventory/stock-contract.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { QueryInvalid } from '../platform/errors.ts'
import { formatMoney } from '../platform/money.ts'
import { type Granularity, granularities, type PeriodOfStats, type Range, type Stats } from './read-stats.ts'

const QUARTER_HOUR_MS = 900_000
const DAY_MS = 86_400_000
/** Days in a range: more than any month, or any year, has in local time. */
const MAX_DAY_COUNTS: Record<Granularity, number> = { hour: 32, day: 367 }
/** Years in which local dates and default ranges are dates too. */
const [MIN_YEAR, MAX_YEAR] = [1970, 9998]

const boundary = queryTime(MIN_YEAR, MAX_YEAR).refine(isQuarterHour, {
  error: 'must be the beginning of a quarter hour: minute 00, 15, 30 or 45',
})

const granularity = z
  .enum(granularities, { error: `must be one of ${granularities.join(', ')}` })
  .meta({ id: 'Granularity', description: 'Length of the periods', example: 'hour' })

export const statsQuery = z.strictObject({
  granularity: granularity.default('hour').meta({
    description: 'Length of the periods, in the time zone of the restaurant; default `hour`',
    example: 'hour',
  }),
  from: boundary.optional().meta({
    description:
      'Start of the range, on a quarter hour. Default: 24 hours, or 31 days of the calendar with `day`, up to the end of the range',
    example: '2026-11-21T23:00:00Z',
  }),
  to: boundary.optional().meta({
    description: `End of the range, on a quarter hour: at most ${MAX_DAY_COUNTS.hour} days after its start, or ${MAX_DAY_COUNTS.day} with \`day\`. Default: the end of the current period`,
    example: '2026-11-22T23:00:00Z',
  }),
})

const stay = z
  .object({
    count: z.int().meta({ description: 'Orders that have left the status', example: 41 }),
    mean_seconds: z
      .number()
      .nullable()
      .meta({ description: 'Mean time in the status; null if no order has left it', example: 0.031 }),
  })
  .meta({ id: 'StayInStatus', description: 'How long orders stayed in a status' })

const timeToReady = z
  .object({
    count: z.int().meta({
      description: 'Orders that became ready, without those of which it was taken back',
      example: 37,
    }),
    mean_seconds: z
      .number()
      .nullable()
      .meta({ description: 'Mean time from PREPARING to ready; null without such orders', example: 790.4 }),
  })
  .meta({ id: 'TimeToReady', description: 'How long the kitchen needed to finish orders' })

const counts = {
  orders: z.int().meta({ description: 'Orders placed', example: 42 }),
  revenue: moneyOutput('Revenue of the orders that are not cancelled, exact', '512.50'),
  cancellations: z.int().meta({ description: 'Orders that were cancelled, for any reason', example: 3 }),
  stock_outs: z
    .int()
    .meta({ description: 'Orders that were cancelled because stock was insufficient', example: 1 }),
  time_in_status: z
    .object({ PLACED: stay, PREPARING: stay, OUT_FOR_DELIVERY: stay })
    .meta({ id: 'TimeInStatus', description: 'Time that orders spent in each status that ends' }),
  time_to_ready: timeToReady,
}

const localDate = z.iso
  .date()
  .meta({ description: 'Date at the start, in the time zone of the restaurant', example: '2026-11-22' })
const localTime = z
  .string()
  .regex(/^\d\d:\d\d$/)
  .meta({ description: 'Time of day at the start, in the time zone of the restaurant', example: '19:00' })

const statsTotals = z
  .object(counts)
  .meta({ id: 'StatsTotals', description: 'Figures of the orders that were placed in the range' })

const statsPeriod = z
  .object({
    start: timestamp('Start of the period'),
    end: timestamp('End of the period: the start of the next one'),
    local_date: localDate,
    local_time: localTime,
    ...counts,
  })
  .meta({ id: 'StatsPeriod', description: 'Figures of the orders that were placed in an hour or a day' })

export const statsReply = z
  .object({
    restaurant_id: id('restaurant', demoIds.restaurant),
    currency,
    time_zone: timeZone,
    granularity,
    from: timestamp('Start of the range'),
    to: timestamp('End of the range'),
    as_of: timestamp(
      'Time up to which events are counted, usually a few seconds ago. It stays as it is while the statistics of the restaurant are set aside because of a failure',
    ),
    totals: statsTotals,
    periods: z.array(statsPeriod).meta({
      description:
        'All hours or days of the range, oldest first, without gaps. `from` and `to` cut the first and the last one',
    }),
  })
  .meta({ id: 'Stats', description: 'Statistics of a restaurant' })

export type StatsReply = z.infer<typeof statsReply>

function isQuarterHour(time: string): boolean {
  return Date.parse(time) % QUARTER_HOUR_MS === 0 && !/\.\d*[1-9]/.test(time)
}

/** @throws QueryInvalid when the range is empty or too long */
export function assertRange(granularity: Granularity, { from, to }: Range): void {
  const days = (to.getTime() - from.getTime()) / DAY_MS
  const max = MAX_DAY_COUNTS[granularity]
  if (days > 0 && days <= max) return
  const detail = `must be after \`from\`, by at most ${max} days with granularity=${granularity}`
  throw new QueryInvalid([{ parameter: 'to', detail }])
}

export function presentStats(
  restaurant: { restaurant_id: string; currency: string; currency_decimals: number; time_zone: string },
  granularity: Granularity,
  { from, to }: Range,
  { periods, asOf }: Stats,
): StatsReply {
  const { restaurant_id, currency, currency_decimals, time_zone } = restaurant
  return {
    restaurant_id,
    currency,
    time_zone,
    granularity,
    from: from.toISOString(),
    to: to.toISOString(),
    as_of: asOf.toISOString(),
    totals: presentCounts(periods, currency_decimals),
    periods: periods.map(period => ({
      start: period.start.toISOString(),
      end: period.end.toISOString(),
      local_date: period.local_date,
      local_time: period.local_time,
      ...presentCounts([period], currency_decimals),
    })),
  }
}

type Count = Exclude<keyof PeriodOfStats, 'start' | 'end' | 'local_date' | 'local_time' | 'revenue_minor'>

function presentCounts(periods: readonly PeriodOfStats[], decimals: number) {
  const sum = (column: Count) => periods.reduce((total, period) => total + period[column], 0)
  const stayOf = (count: number, ms: number) => ({
    count,
    mean_seconds: count === 0 ? null : Math.round(ms / count) / 1_000,
  })
  const revenue = periods.reduce((total, { revenue_minor }) => total + BigInt(revenue_minor), 0n)
  return {
    orders: sum('order_count'),
    revenue: formatMoney(revenue, decimals),
    cancellations: sum('cancellation_count'),
    stock_outs: sum('stock_out_count'),
    time_in_status: {
      PLACED: stayOf(sum('placed_count'), sum('placed_ms')),
      PREPARING: stayOf(sum('preparing_count'), sum('preparing_ms')),
      OUT_FOR_DELIVERY: stayOf(sum('out_for_delivery_count'), sum('out_for_delivery_ms')),
    },
    time_to_ready: stayOf(sum('ready_count'), sum('ready_ms')),
  }
}
