import { uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import type { OrderState } from './order.ts'

/**
 * SQL: the time of the lock. The times of an order ascend even when the clock of the database is
 * set back.
 */
const nextMsSql = '(extract(epoch from greatest(clock_timestamp(), updated_at)) * 1000)::bigint as next_ms'

/**
 * Locks one order until the transaction ends, and returns its state. Lock order: every handler
 * locks orders first, then menu items ({@link lockStock}), each sorted by id, so that no two
 * transactions deadlock. `for no key update` instead of `for update`: inserts of rows that
 * reference the order check their foreign key with `for key share`, which only `for update` would
 * block.
 * @throws NotFound
 */
export async function lockOrder(tx: Tx, orderId: string): Promise<OrderState> {
  const [[order], [last]] = await Promise.all([
    tx.query<OrderState>(lockOneSql, [orderId]),
    tx.query<{ by: string | null }>(lastBySql, [orderId]),
  ])
  if (!order) throw new NotFound('order', orderId)
  return { ...order, changed_by: last?.by ?? null }
}

/**
 * Locks orders sorted by id, so that two batches cannot deadlock.
 * @returns the states by order id
 */
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
  select order_id, restaurant_id, status, version, ready_at, ${nextMsSql}
  from orders
  where order_id = $1
  for no key update
`

/** Runs after the lock is held, so that it sees the transition that the lock waited for. */
const lastBySql = `
  select by
  from order_transitions
  where order_id = $1
  order by seq desc
  limit 1
`

const lockManySql = `
  select order_id, restaurant_id, status, version, ready_at, ${nextMsSql}
  from orders
  where order_id = any($1::uuid[])
    and restaurant_id = any($2::uuid[])
  order by order_id
  for no key update
`
