import type { Sql } from '../db/transaction.ts'
import type { EventOf } from '../events/event.ts'
import { sinceOrderSql } from '../events/since-order.ts'
import { type OrderRecord, orderColumns } from '../orders/order-queries.ts'
import { assertCanAccess, type Caller } from '../platform/caller.ts'
import { NotFound } from '../platform/errors.ts'
import { type OrderDelivery, orderDeliveriesSql, webhookVisibility } from './order-deliveries.ts'

/** The stock movements of one item of an order. */
interface StockOfItem {
  menu_item_id: string
  /** null: not deducted */
  deducted_at: string | null
  /** null: not restored */
  restored_at: string | null
}

/** An order with its stock movements, events and deliveries. */
export interface OrderHistory {
  order: OrderRecord
  stock: StockOfItem[]
  /** events within the retention period, ordered by id */
  events: (EventOf & { created_at: string })[]
  /** deliveries to webhooks that the caller can access, ordered by id */
  deliveries: OrderDelivery[]
}

/**
 * Reads the history of an order in one statement, so that all parts are of the same snapshot.
 * @throws NotFound when the order does not exist, or the caller cannot access its restaurant
 */
export async function readTimeline(sql: Sql, caller: Caller, orderId: string): Promise<OrderHistory> {
  type Row = OrderRecord & { [part in 'stock' | 'events' | 'deliveries']: OrderHistory[part] | null }
  const [row] = await sql.query<Row>(timelineSql, [orderId, ...webhookVisibility(caller)])
  if (!row) throw new NotFound('order', orderId)
  const { stock, events, deliveries, ...order } = row
  assertCanAccess(caller, order.restaurant_id, 'order', orderId)
  return { order, stock: stock ?? [], events: events ?? [], deliveries: deliveries ?? [] }
}

const timelineSql = `
  select ${orderColumns},
    (
      select json_agg(effects order by menu_item_id)
      from (
        select menu_item_id, min(at) filter (where kind = 'DEDUCT') as deducted_at,
          min(at) filter (where kind = 'RESTORE') as restored_at
        from stock_movements as m
        where m.order_id = o.order_id
        group by menu_item_id
      ) as effects
    ) as stock,
    (
      select json_agg(json_build_object('event_id', event_id, 'restaurant_id', e.restaurant_id, 'type', type,
        'order_id', e.order_id, 'payload', payload, 'trace_context', trace_context, 'created_at', created_at) order by event_id)
      from outbox_events as e
      where e.order_id = o.order_id
        and ${sinceOrderSql('o')}
    ) as events,
    (${orderDeliveriesSql('$2', '$3')}
    ) as deliveries
  from orders as o
  where order_id = $1
`
