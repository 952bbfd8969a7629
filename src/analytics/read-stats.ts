import type { Sql } from '../db/transaction.ts'
import { quarterHourSql, statColumns } from './stats-sql.ts'

export const granularities = ['hour', 'day'] as const
export type Granularity = (typeof granularities)[number]

/** A period of local time with its counters. The revenue is in minor units. */
export type PeriodOfStats = {
  start: Date
  end: Date
  /** e.g. `2026-11-22` */
  local_date: string
  /** e.g. `18:00` */
  local_time: string
  revenue_minor: string
} & Record<Exclude<(typeof statColumns)[number], 'revenue_minor'>, number>

export interface Stats {
  /** in order and without gaps: together they are the range */
  periods: PeriodOfStats[]
  /** time up to which events are counted */
  asOf: Date
}

export interface Range {
  from: Date
  to: Date
}

/**
 * Returns the given range. Default of `to`: the end of the current period. Default of `from`: the
 * start of the 24th hour or 31st day before `to`.
 */
export async function completeRange(
  sql: Sql,
  granularity: Granularity,
  timeZone: string,
  { from, to }: { from: string | undefined; to: string | undefined },
): Promise<Range> {
  if (from !== undefined && to !== undefined) return { from: new Date(from), to: new Date(to) }
  const [range] = await sql.query<Range>(rangeSql[granularity], [timeZone, from ?? null, to ?? null])
  if (!range) throw new Error('no range')
  return range
}

/** Returns the periods of a restaurant in a range, cut at its ends. */
export async function readStats(
  sql: Sql,
  restaurantId: string,
  granularity: Granularity,
  timeZone: string,
  { from, to }: Range,
): Promise<Stats> {
  const rows = await sql.query<PeriodOfStats & { as_of: Date }>(readSql[granularity], [
    restaurantId,
    timeZone,
    from,
    to,
  ])
  return {
    periods: rows.map(({ as_of: _, ...period }) => period),
    asOf: rows[0]?.as_of ?? new Date(0),
  }
}

/**
 * The period of a quarter hour, from its `start` and `local` time. When clocks are set back, the
 * hours before and after have the same local time but are two periods, also where the clocks change
 * by half an hour.
 */
const periods: Record<Granularity, string> = {
  hour: `start - (local - date_trunc('hour', local))`,
  day: 'local::date',
}
const defaultSpans: Record<Granularity, string> = { hour: `interval '24 hours'`, day: '31' }

const rangeSql = forEach(
  granularity => `
  with latest as (
    select coalesce($3::timestamptz - interval '15 minutes', ${quarterHourSql('now()')}) as latest
  ), quarters as (
    select latest, start, start at time zone $1 as local
    from latest
    cross join generate_series(latest - interval '32 days', latest + interval '2 days', interval '15 minutes') as start
  ), periods as (
    select latest, start, ${periods[granularity]} as period
    from quarters
  ), last as (
    select max(period) as period
    from periods
    where start <= latest
  )
  select coalesce($2::timestamptz, min(start) filter (where p.period > last.period - ${defaultSpans[granularity]})) as "from",
    coalesce($3::timestamptz, min(start) filter (where p.period > last.period)) as "to"
  from periods as p
  cross join last
`,
)

/**
 * Postgres computes the local times of all quarter hours in the range, so that its rules of time
 * zones are the only ones. Each period reads its own rows from the index.
 */
const readSql = forEach(
  granularity => `
  with quarters as (
    select start, start at time zone $2 as local
    from generate_series($3::timestamptz, $4::timestamptz - interval '15 minutes', interval '15 minutes') as start
  ), starts as (
    select min(start) as start
    from quarters
    group by ${periods[granularity]}
  ), periods as materialized (
    select start, lead(start, 1, $4::timestamptz) over (order by start) as "end", start at time zone $2 as local
    from starts
  )
  select coalesce(f.as_of, c.as_of) as as_of, p.start, p."end", to_char(p.local, 'YYYY-MM-DD') as local_date,
    to_char(p.local, 'HH24:MI') as local_time, s.*
  from projection_cursors as c
  left join failed_statistics as f
    on f.restaurant_id = $1
  cross join periods as p
  cross join lateral (
    select ${statColumns
      .map(
        column =>
          `coalesce(sum(${column}), 0)::${column === 'revenue_minor' ? 'text' : 'bigint'} as ${column}`,
      )
      .join(', ')}
    from restaurant_quarter_hours
    where restaurant_id = $1
      and quarter_hour >= p.start
      and quarter_hour < p."end"
  ) as s
  where c.projection = 'stats'
  order by p.start
`,
)

/** Returns the statement of each granularity. */
function forEach(sqlOf: (granularity: Granularity) => string): Record<Granularity, string> {
  return { hour: sqlOf('hour'), day: sqlOf('day') }
}
