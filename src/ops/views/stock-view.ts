import { NIL_UUID } from '../../platform/ids.ts'
import type { View } from './view.ts'

/** The ledger is summed from its last checkpoint on: `reconcile-stock.ts` moves that forward. */
export const stockView: View = {
  name: 'stock',
  comment: 'Each item: what is said to be on hand, and what its ledger says',
  columns: {
    menu_item_id: 'the item',
    restaurant_id: 'its restaurant',
    name: 'its name',
    on_hand: 'what is said to be on hand',
    ledger_qty: 'sum of its movements; where it differs from on_hand, see ops.check_stock_is_its_ledger',
    last_movement_at: 'when it last moved',
    low_stock_threshold: 'low begins here; null: nobody has said',
    low: 'whether it is at its threshold or below, or at nothing where there is none',
  },
  sql: `
    select i.menu_item_id, i.restaurant_id, i.name, i.available_qty, coalesce(c.ledger_qty, 0) + coalesce(tail.qty, 0),
      coalesce(tail.last_at, c.last_at), i.low_stock_threshold,
      i.available_qty <= coalesce(i.low_stock_threshold, 0)
    from menu_items as i
    left join stock_checkpoints as c
      on c.menu_item_id = i.menu_item_id
      and c.restaurant_id = i.restaurant_id
    cross join lateral (
      select sum(m.delta) as qty, max(m.at) as last_at
      from stock_movements as m
      where m.menu_item_id = i.menu_item_id
        and m.restaurant_id = i.restaurant_id
        and m.movement_id > coalesce(c.through_movement_id, '${NIL_UUID}')
    ) as tail`,
}
