import type { Database } from '../db/database.ts'
import type { Logger } from '../platform/log.ts'

/** No transaction is longer than a minute, and clocks differ by less: what is older than this has been committed. */
const SETTLED_AFTER = '2 minutes'
/** Items a statement. */
const BATCH_COUNT = 500
/** Items whose whole ledger is added up anew in a run, those first for which that was longest ago. */
const RECOUNT_COUNT = 20
/** Items that are named when they differ. */
const MAX_NAMED = 20

export interface Reconciled {
  items: number
  /** items whose stock is not the sum of their ledger, at most 20 */
  differing: { menu_item_id: string; on_hand: number; ledger_qty: number }[]
}

/**
 * Compares every item's stock with its ledger. The ledger is summed from a checkpoint on, which moves forward here; a few
 * checkpoints in turn are counted again from the beginning, so that a ledger that was changed in the past is found too.
 * Changes no stock: what differs is for people to look at.
 */
export async function reconcileStock(database: Database, log: Logger): Promise<Reconciled> {
  const items = await advanceCheckpoints(database)
  await database.execute(recountSql, [RECOUNT_COUNT])
  const differing = await database.query<Reconciled['differing'][number]>(differingSql, [MAX_NAMED])
  if (differing.length > 0) log.error({ differing }, 'stock is not the sum of its ledger')
  else log.info({ items }, 'stock is the sum of its ledger')
  return { items, differing }
}

async function advanceCheckpoints(database: Database): Promise<number> {
  let after = '00000000-0000-0000-0000-000000000000'
  for (let items = 0; ; ) {
    const batch = await database.query<{ menu_item_id: string }>(batchSql, [after, BATCH_COUNT])
    if (batch.length > 0) await database.execute(advanceSql, [batch.map(item => item.menu_item_id)])
    items += batch.length
    after = batch.at(-1)?.menu_item_id ?? after
    if (batch.length < BATCH_COUNT) return items
  }
}

const batchSql = `
  select menu_item_id
  from menu_items
  where menu_item_id > $1
  order by menu_item_id
  limit $2
`

const advanceSql = `
  insert into stock_checkpoints (menu_item_id, restaurant_id, ledger_qty, through_movement_id, last_at)
  select i.menu_item_id, i.restaurant_id, coalesce(c.ledger_qty, 0) + settled.qty, settled.through,
    settled.last_at
  from menu_items as i
  left join stock_checkpoints as c
    on c.menu_item_id = i.menu_item_id
    and c.restaurant_id = i.restaurant_id
  cross join lateral (
    select sum(m.delta) as qty, (array_agg(m.movement_id order by m.movement_id desc))[1] as through,
      max(m.at) as last_at
    from stock_movements as m
    where m.menu_item_id = i.menu_item_id
      and m.restaurant_id = i.restaurant_id
      and m.movement_id > coalesce(c.through_movement_id, '00000000-0000-0000-0000-000000000000')
      and m.movement_id < (select uuidv7(-interval '${SETTLED_AFTER}'))
  ) as settled
  where i.menu_item_id = any($1::uuid[])
    and settled.through is not null
  on conflict (menu_item_id, restaurant_id) do update
  set ledger_qty = excluded.ledger_qty, through_movement_id = excluded.through_movement_id,
    last_at = excluded.last_at
`

const recountSql = `
  update stock_checkpoints as c
  set recounted_at = clock_timestamp(),
    ledger_qty = (
      select coalesce(sum(m.delta), 0)
      from stock_movements as m
      where m.menu_item_id = c.menu_item_id
        and m.restaurant_id = c.restaurant_id
        and m.movement_id <= c.through_movement_id
    )
  where menu_item_id = any(array(
    select menu_item_id
    from stock_checkpoints
    order by recounted_at, menu_item_id
    limit $1
  ))
`

const differingSql = `
  select menu_item_id, on_hand, ledger_qty::integer
  from ops.stock
  where on_hand <> ledger_qty
  order by menu_item_id
  limit $1
`
