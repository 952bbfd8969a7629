import type { Sql } from '../db/transaction.ts'
import { columnsSql, type statColumns } from './stats-sql.ts'

/** The counters of one hour, with amounts in minor units. */
export type HourOfStats = { hour: Date } & Record<(typeof statColumns)[number], number>

export interface Stats {
  /** oldest first, without hours that have no orders */
  hours: HourOfStats[]
  /** time up to which events are counted */
  asOf: Date
}

/** Returns the hours of a restaurant that begin in [from, to). */
export async function readStats(sql: Sql, restaurantId: string, from: Date, to: Date): Promise<Stats> {
  const rows = await sql.query<HourOfStats & { as_of: Date; hour: Date | null }>(readSql, [
    restaurantId,
    from,
    to,
  ])
  const hours = rows.flatMap(({ as_of: _, ...row }) => (row.hour === null ? [] : [row as HourOfStats]))
  return { hours, asOf: rows[0]?.as_of ?? new Date(0) }
}

const readSql = `
  select as_of, hour, ${columnsSql}
  from projection_cursors
  left join (
    select hour, ${columnsSql}
    from restaurant_hours
    where restaurant_id = $1
      and hour >= $2
      and hour < $3
    order by hour
  ) as hours on true
  where projection = 'stats'
  order by hour
`
