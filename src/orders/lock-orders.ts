import { uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import type { OrderState } from './order.ts'

/**
 * Locks one order until the transaction ends. Every handler takes this lock first, then menu items in id order.
 * `no key` leaves the foreign-key checks of others alone.
 * @throws NotFound
 */
export async function lockOrder(tx: Tx, orderId: string): Promise<OrderState> {
  const [order] = await tx.query<OrderState>(lockOneSql, [orderId])
  if (!order) throw new NotFound('order', orderId)
  return order
}

/** Locks these orders in id order, so that two batches never wait for each other crosswise. */
export async function lockOrders(
  tx: Tx,
  keys: readonly { order_id: string; restaurant_id: string }[],
): Promise<Map<string, OrderState>> {
  const orders = await tx.query<OrderState>(lockManySql, [
    uuids(keys.map(key => key.order_id)),
    uuids(keys.map(key => key.restaurant_id)),
  ])
  return new Map(orders.map(order => [order.order_id, order]))
}

const lockOneSql = `
  select order_id, restaurant_id, status, version
  from orders
  where order_id = $1
  for no key update
`

const lockManySql = `
  select order_id, restaurant_id, status, version
  from orders
  where order_id = any($1::uuid[])
    and restaurant_id = any($2::uuid[])
  order by order_id
  for no key update
`
