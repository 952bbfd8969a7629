import type { Sql } from '../db/transaction.ts'
import { assertCanAccess, type Caller } from '../platform/caller.ts'
import { NotFound } from '../platform/errors.ts'
import type { Actor, OrderFact, OrderStatus, Shortage } from './order.ts'

/** An order as it is stored, with its items and transitions. Amounts are in minor units. */
export interface OrderRecord {
  order_id: string
  restaurant_id: string
  status: OrderStatus
  version: number
  currency: string
  currency_decimals: number
  total_minor: number
  customer_id: string | null
  client_reference: string | null
  notes: string | null
  cancellation_reason: string | null
  shortages: Shortage[] | null
  placed_at: Date
  ready_at: Date | null
  updated_at: Date
  items: { menu_item_id: string; name: string; price_minor: number; quantity: number }[]
  timeline: {
    seq: number
    from_status: OrderStatus | null
    to_status: OrderStatus
    fact: OrderFact | null
    reason: string | null
    actor: Actor
    by: string | null
    at: string
  }[]
}

/** Reads one order with its items and transitions in one query. @throws NotFound */
export async function readOrder(sql: Sql, orderId: string): Promise<OrderRecord> {
  const [order] = await sql.query<OrderRecord>(readSql, [orderId])
  if (!order) throw new NotFound('order', orderId)
  return order
}

/** Reads one order. @throws NotFound, also when the caller cannot access its restaurant */
export async function readAccessibleOrder(sql: Sql, caller: Caller, orderId: string): Promise<OrderRecord> {
  const order = await readOrder(sql, orderId)
  assertCanAccess(caller, order.restaurant_id, 'order', orderId)
  return order
}

/** SQL for the client's reference of an order. @param order alias of `orders` */
export const clientReferenceSql = (order: string) => `(
      select client_reference
      from order_references as r
      where r.order_id = ${order}.order_id
        and r.restaurant_id = ${order}.restaurant_id
    )`

/** SQL that selects the columns of an {@link OrderRecord} from `orders as o`. */
export const orderColumns = `
    order_id, restaurant_id, status, version, currency, currency_decimals, total_minor, customer_id, notes,
    cancellation_reason, shortages, placed_at, ready_at, updated_at,
    ${clientReferenceSql('o')} as client_reference,
    (
      select json_agg(json_build_object('menu_item_id', menu_item_id, 'name', name, 'price_minor', price_minor,
        'quantity', quantity) order by line_no)
      from order_items as i
      where i.order_id = o.order_id
        and i.restaurant_id = o.restaurant_id
    ) as items,
    (
      select json_agg(json_build_object('seq', seq, 'from_status', from_status, 'to_status', to_status,
        'fact', fact, 'reason', reason, 'actor', actor, 'by', by, 'at', at) order by seq)
      from order_transitions as t
      where t.order_id = o.order_id
        and t.restaurant_id = o.restaurant_id
    ) as timeline`

const readSql = `
  select ${orderColumns}
  from orders as o
  where order_id = $1
`
