import { expect } from 'chai'
import type { Sql } from '../../src/db/transaction.ts'

/**
 * The promises of design §2 as queries that return no rows while they hold. All but the first four speak of a system
 * that has been drained: nothing pending in the outbox, no job waiting.
 */
const promises: Record<string, string> = {
  'stock is never negative': 'select menu_item_id, available_qty from menu_items where available_qty < 0',
  'stock is the sum of its ledger': `
    select menu_item_id, available_qty, sum(delta) as ledger
    from menu_items left join stock_movements using (menu_item_id, restaurant_id)
    group by menu_item_id, restaurant_id
    having available_qty is distinct from sum(delta)`,
  'every order has its order.placed.v1, and every such event its order': `
    select o.order_id as of_order, e.order_id as of_event
    from orders as o
    full join (select * from outbox_events where type = 'order.placed.v1') as e using (order_id, restaurant_id)
    where o.order_id is null or e.order_id is null`,
  'history is gapless, legal, and ends in the status of the order': `
    select order_id, status
    from orders as o
    cross join lateral (
      select count(*) as steps, max(seq) as last,
        (array_agg(to_status order by seq desc))[1] as final,
        bool_and(case when seq = 1 then from_status is null and to_status = 'PLACED'
          else from_status = previous and (from_status, to_status) in (
            ('PLACED', 'PREPARING'), ('PREPARING', 'OUT_FOR_DELIVERY'), ('OUT_FOR_DELIVERY', 'DELIVERED'),
            ('PLACED', 'CANCELLED'), ('PREPARING', 'CANCELLED'), ('OUT_FOR_DELIVERY', 'CANCELLED')) end) as legal
      from (
        select *, lag(to_status) over (order by seq) as previous
        from order_transitions as t
        where t.order_id = o.order_id
      ) as steps
    ) as history
    where steps <> last or version <> last or final <> status or not legal`,
  'an order holds stock exactly when its status calls for it': `
    select o.order_id, o.status, i.menu_item_id, i.quantity, coalesce(sum(m.delta), 0) as moved
    from orders as o
    join order_items as i using (order_id, restaurant_id)
    left join stock_movements as m using (order_id, restaurant_id, menu_item_id)
    group by o.order_id, o.restaurant_id, i.menu_item_id, i.quantity
    having coalesce(sum(m.delta), 0) <>
      case when o.status in ('PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED') then -i.quantity else 0 end`,
  'one event tells of each step': `
    select order_id, t.steps, e.told
    from (select order_id, count(*) as steps from order_transitions group by order_id) as t
    full join (
      select order_id, count(*) as told
      from outbox_events
      where type like 'order.%'
      group by order_id
    ) as e using (order_id)
    where t.steps is distinct from e.told`,
  'no order is left PLACED': `select order_id from orders where status = 'PLACED'`,
}

/** Looks at every promise of a drained system. */
export async function expectPromisesKept(sql: Sql): Promise<void> {
  for (const [promise, query] of Object.entries(promises)) {
    expect(await sql.query(query), promise).to.deep.equal([])
  }
}
