import type { Sql } from '../db/transaction.ts'
import { NIL_UUID } from '../platform/ids.ts'
import { type OrderStatus, orderStatuses } from './order.ts'
import { clientReferenceSql } from './order-queries.ts'

/** Filters of a list of orders. All are optional; an absent filter matches every order. */
export interface OrderFilter {
  restaurant_ids?: readonly string[] | undefined
  statuses?: readonly OrderStatus[] | undefined
  customer_id?: string | undefined
  client_reference?: string | undefined
  /** placed at or after, RFC 3339 */
  placed_from?: string | undefined
  /** placed before */
  placed_before?: string | undefined
}

/** An order as a list returns it, with its amount in minor units. */
export interface ListedOrder {
  order_id: string
  restaurant_id: string
  status: OrderStatus
  currency: string
  currency_decimals: number
  total_minor: number
  customer_id: string | null
  client_reference: string | null
  cancellation_reason: string | null
  placed_at: Date
  ready_at: Date | null
  updated_at: Date
  /** `placed_at` with the microseconds that a JavaScript Date drops; part of the cursor */
  position: string
}

/**
 * Returns orders, newest first. Whatever the filter, a page reads only its own rows from an index:
 * the newest orders of each restaurant and status, merged. `version > 0` holds for every order; it
 * is the predicate of the partial index over all restaurants, so no query without it can be planned
 * on that index.
 * @param after `position` and id of the last order of the previous page
 * @param count rows, 1..101
 */
export async function listOrders(
  sql: Sql,
  filter: OrderFilter,
  after: readonly string[] | undefined,
  count: number,
): Promise<ListedOrder[]> {
  const {
    restaurant_ids,
    statuses = orderStatuses,
    customer_id,
    client_reference,
    placed_from,
    placed_before,
  } = filter
  // Cursor and `placed_before` share one bound: with two, the index scan may start at the wrong one
  // and read every row in between.
  const [position, order_id] = after ?? [placed_before ?? 'infinity', NIL_UUID]
  const bounds = [statuses, placed_from ?? '-infinity', position, order_id, count]
  if (client_reference !== undefined)
    return await sql.query<ListedOrder>(byReferenceSql, [
      ...bounds,
      client_reference,
      restaurant_ids ?? null,
      customer_id ?? null,
    ])
  if (customer_id !== undefined)
    return await sql.query<ListedOrder>(byCustomerSql, [...bounds, customer_id, restaurant_ids ?? null])
  return restaurant_ids
    ? await sql.query<ListedOrder>(byRestaurantSql, [...bounds, restaurant_ids])
    : await sql.query<ListedOrder>(allSql, bounds)
}

const columns = `
  order_id, restaurant_id, status, currency, currency_decimals, total_minor, customer_id, cancellation_reason,
  placed_at, ready_at, updated_at, ${clientReferenceSql('newest')} as client_reference,
  to_char(placed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as position`

const newest = (condition: string) => `
  select order_id, restaurant_id, status, currency, currency_decimals, total_minor, customer_id, cancellation_reason,
    placed_at, ready_at, updated_at
  from orders
  where ${condition}
    and placed_at >= $2::timestamptz
    and (placed_at, order_id) < ($3::timestamptz, $4::uuid)
  order by placed_at desc, order_id desc
  limit $5`

const allSql = `
  select ${columns}
  from unnest($1::text[]) as wanted (wanted_status)
  cross join lateral (${newest('status = wanted_status and version > 0')}) as newest
  order by newest.placed_at desc, order_id desc
  limit $5
`

const byRestaurantSql = `
  select ${columns}
  from unnest($6::uuid[]) as restaurant (wanted_id)
  cross join unnest($1::text[]) as wanted (wanted_status)
  cross join lateral (${newest('restaurant_id = wanted_id and status = wanted_status')}) as newest
  order by newest.placed_at desc, order_id desc
  limit $5
`

const byCustomerSql = `
  select ${columns}
  from (
    ${newest('customer_id = $6 and status = any($1::text[]) and ($7::uuid[] is null or restaurant_id = any($7))')}
  ) as newest
  order by newest.placed_at desc, order_id desc
`

/** At most one order per restaurant has the reference. */
const byReferenceSql = `
  select ${columns}
  from (
    ${newest(`order_id = any(array(
      select order_id
      from order_references
      where client_reference = $6
        and ($7::uuid[] is null or restaurant_id = any($7))
    ))
    and status = any($1::text[])
    and ($8::text is null or customer_id = $8)`)}
  ) as newest
  order by newest.placed_at desc, order_id desc
`
