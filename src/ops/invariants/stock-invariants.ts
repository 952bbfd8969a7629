import { DEAD_LETTER_QUEUE } from '../../jobs/queues.ts'
import { DELIVERIES } from '../../webhooks/deliveries.ts'
import { eventRoutingSql } from '../views/event-routing-sql.ts'
import type { View } from '../views/view.ts'

/** Orders with an undispatched event, an unfinished job, or a dead letter. */
const ordersInProgress = `
        select order_id
        from outbox_events
        where dispatched_at is null
        union
        select (data ->> 'order_id')::uuid
        from pgboss.job
        where state < 'completed'
          and name in (select queue from (values ${eventRoutingSql}) as r (type, queue) union select '${DEAD_LETTER_QUEUE}')
        union
        select order_id
        from dead_letters
        where fate <> 'REDRIVEN'
          and queue <> '${DELIVERIES}'`

const item = { menu_item_id: 'id of the item', restaurant_id: 'restaurant of the item' }
const order = {
  order_id: 'id of the order',
  restaurant_id: 'restaurant of the order',
  status: 'status of the order',
}

/** Stock is never negative, equals its ledger, and has each effect of an order once. */
export const stockInvariants: View[] = [
  {
    name: 'check_stock_not_negative',
    comment: 'Items with negative stock',
    columns: { ...item, available_qty: 'recorded stock' },
    sql: `
      select menu_item_id, restaurant_id, available_qty
      from menu_items
      where available_qty < 0`,
  },
  {
    name: 'check_stock_is_its_ledger',
    comment: 'Items whose stock differs from the sum of their stock movements',
    columns: {
      ...item,
      available_qty: 'recorded stock',
      ledger_qty: 'sum of the stock movements of the item',
    },
    sql: `
      select menu_item_id, restaurant_id, i.available_qty, coalesce(m.ledger_qty, 0)
      from menu_items as i
      full join (
        select menu_item_id, restaurant_id, sum(delta)::bigint as ledger_qty
        from stock_movements
        group by menu_item_id, restaurant_id
      ) as m using (menu_item_id, restaurant_id)
      where i.available_qty is distinct from coalesce(m.ledger_qty, 0)`,
  },
  {
    name: 'check_order_effects',
    comment:
      'Orders that hold more or less stock than their status requires, with no pending work that would correct it',
    columns: {
      ...order,
      menu_item_id: 'id of the item',
      quantity: 'ordered quantity',
      moved_qty: 'sum of the stock movements of the item for the order',
    },
    sql: `
      select order_id, restaurant_id, o.status, menu_item_id, coalesce(i.quantity, 0), coalesce(m.moved_qty, 0)
      from order_items as i
      full join (
        select order_id, restaurant_id, menu_item_id, sum(delta)::bigint as moved_qty
        from stock_movements
        where order_id is not null
        group by order_id, restaurant_id, menu_item_id
      ) as m using (order_id, restaurant_id, menu_item_id)
      full join orders as o using (order_id, restaurant_id)
      full join (${ordersInProgress}
      ) as in_progress using (order_id)
      where coalesce(m.moved_qty, 0) <> case o.status when 'CANCELLED' then 0 else -coalesce(i.quantity, 0) end
        and (in_progress.order_id is null or o.status not in ('PLACED', 'CANCELLED'))`,
  },
  {
    name: 'check_effects_once',
    comment:
      'Orders whose stock of an item was deducted or restored more than once, or restored without a deduction',
    columns: {
      order_id: 'id of the order',
      ...item,
      deductions: 'number of deductions',
      restorations: 'number of restorations',
    },
    sql: `
      select order_id, menu_item_id, restaurant_id, deductions, restorations
      from (
        select order_id, menu_item_id, restaurant_id,
          count(*) filter (where kind = 'DEDUCT') as deductions,
          count(*) filter (where kind = 'RESTORE') as restorations
        from stock_movements
        where order_id is not null
        group by order_id, menu_item_id, restaurant_id
      ) as effects
      where deductions > 1
        or restorations > deductions`,
  },
]
