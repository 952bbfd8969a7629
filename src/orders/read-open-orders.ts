import type { Sql } from '../db/transaction.ts'
import type { OrderStatus } from './order.ts'
import { type OrderRecord, orderColumns } from './order-queries.ts'

/**
 * Reads the oldest open orders of a restaurant, oldest first.
 * @param statuses open statuses
 * @param count rows, 1..1,001
 */
export async function readOpenOrders(
  sql: Sql,
  restaurantId: string,
  statuses: readonly OrderStatus[],
  count: number,
): Promise<OrderRecord[]> {
  const orders = await sql.query<OrderRecord>(openSql, [restaurantId, statuses, count])
  return orders.sort(
    (a, b) => a.placed_at.getTime() - b.placed_at.getTime() || (a.order_id < b.order_id ? -1 : 1),
  )
}

const openSql = `
  select ${orderColumns}
  from orders as o
  where order_id = any(array(
    select oldest.order_id
    from unnest($2::text[]) as wanted (wanted_status)
    cross join lateral (
      select order_id, placed_at
      from orders
      where restaurant_id = $1
        and status = wanted_status
        and placed_at > '-infinity' -- lets the planner use the index of order lists
      order by placed_at, order_id
      limit $3
    ) as oldest
    order by oldest.placed_at, oldest.order_id
    limit $3
  ))
`
