import { isInactiveSql } from '../../orders/is-inactive-sql.ts'
import { NIL_UUID } from '../../platform/ids.ts'
import type { View } from './view.ts'

const adjustmentsView: View = {
  name: 'stock_adjustments',
  comment: 'Each adjustment of the stock of an item by a client, with its reason',
  columns: {
    at: 'time of the adjustment',
    restaurant_id: 'restaurant of the item',
    menu_item_id: 'id of the item',
    name: 'name of the item',
    delta: 'portions added; negative: portions removed',
    reason_code: 'WASTE, CORRECTION, THEFT or OTHER',
    reason: 'reason in words, if the client sent one',
  },
  sql: `
    select a.at, a.restaurant_id, a.menu_item_id, i.name, a.delta, a.reason_code, a.reason
    from stock_movements as a
    join menu_items as i
      on i.menu_item_id = a.menu_item_id
      and i.restaurant_id = a.restaurant_id
    where a.kind = 'ADJUST'`,
}

const offMenuView: View = {
  name: 'off_menu',
  comment: 'Each restaurant and menu item that takes no orders now',
  columns: {
    kind: 'RESTAURANT or ITEM',
    restaurant_id: 'the restaurant, or the restaurant of the item',
    menu_item_id: 'id of the item; null for a restaurant',
    name: 'name of the restaurant or the item',
    inactive_since: 'time since which new orders are refused',
    inactive_until: 'time from which new orders are accepted again; null: until further notice',
    inactive_reason: 'reason, if the client sent one',
  },
  sql: `
    select 'RESTAURANT', r.restaurant_id, null::uuid, r.name, r.deactivated_at, r.inactive_until, r.inactive_reason
    from restaurants as r
    where ${isInactiveSql('r')}
    union all
    select 'ITEM', i.restaurant_id, i.menu_item_id, i.name, i.deactivated_at, i.inactive_until, i.inactive_reason
    from menu_items as i
    where ${isInactiveSql('i')}`,
}

/** Sums the ledger from the checkpoint of the item, which `reconcile-stock.ts` advances. */
const stockView: View = {
  name: 'stock',
  comment: 'Each item with its stock and the sum of its ledger',
  columns: {
    menu_item_id: 'id of the item',
    restaurant_id: 'restaurant of the item',
    name: 'name of the item',
    on_hand: 'recorded stock',
    ledger_qty: 'sum of the stock movements; equals on_hand, see ops.check_stock_is_its_ledger',
    last_movement_at: 'time of the last stock movement',
    low_stock_threshold: 'stock at or below this is low; null: no threshold is set',
    low: 'whether the stock is at or below the threshold',
    low_since: 'time since which the stock is low; null: it is not',
  },
  sql: `
    select i.menu_item_id, i.restaurant_id, i.name, i.available_qty, coalesce(c.ledger_qty, 0) + coalesce(tail.qty, 0),
      coalesce(tail.last_at, c.last_at), i.low_stock_threshold,
      i.low_since is not null, i.low_since
    from menu_items as i
    left join stock_checkpoints as c
      on c.menu_item_id = i.menu_item_id
      and c.restaurant_id = i.restaurant_id
    cross join lateral (
      select sum(m.delta)::bigint as qty, max(m.at) as last_at
      from stock_movements as m
      where m.menu_item_id = i.menu_item_id
        and m.restaurant_id = i.restaurant_id
        and m.movement_id > coalesce(c.through_movement_id, '${NIL_UUID}')
    ) as tail`,
}

export const stockViews: readonly View[] = [stockView, adjustmentsView, offMenuView]
