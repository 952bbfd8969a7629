import type { Database } from '../../db/database.ts'
import { NIL_UUID } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'
import { recountCheckpoints } from './recount-checkpoints.ts'

/** Age at which a movement is committed: transactions and clock differences are under a minute. */
const COMMITTED_AFTER = '2 minutes'
/** Items per statement. */
const BATCH_COUNT = 100
/** Movements per item and statement, so that long ledgers do not run into the query timeout. */
const MOVEMENT_COUNT = 2_000
/** Differing items that are listed at most. */
const MAX_NAMED = 20

export interface Reconciled {
  items: number
  /** items whose stock differs from the sum of their ledger, at most 20 */
  differing: { menu_item_id: string; on_hand: number; ledger_qty: number }[]
}

/**
 * Compares the stock of every item with its ledger, summed from a checkpoint that this job
 * advances. A few checkpoints per run are recounted from the beginning. Changes no stock: operators
 * decide about differences.
 */
export async function reconcileStock(
  database: Database,
  log: Logger,
  movementCount = MOVEMENT_COUNT,
): Promise<Reconciled> {
  const items = await advanceCheckpoints(database, movementCount)
  await recountCheckpoints(database, movementCount)
  const differing = await database.query<Reconciled['differing'][number]>(differingSql, [MAX_NAMED])
  if (differing.length > 0) log.error({ differing }, 'stock differs from the sum of its ledger')
  else log.info({ items }, 'stock equals the sum of its ledger')
  return { items, differing }
}

async function advanceCheckpoints(database: Database, movementCount: number): Promise<number> {
  let after = NIL_UUID
  for (let items = 0; ; ) {
    const batch = await database.query<{ menu_item_id: string }>(batchSql, [after, BATCH_COUNT])
    let behind = idsOf(batch)
    while (behind.length > 0)
      behind = idsOf(await database.query<{ menu_item_id: string }>(advanceSql, [behind, movementCount]))
    items += batch.length
    after = batch.at(-1)?.menu_item_id ?? after
    if (batch.length < BATCH_COUNT) return items
  }
}

function idsOf(items: readonly { menu_item_id: string }[]): string[] {
  return items.map(item => item.menu_item_id)
}

const batchSql = `
  select menu_item_id
  from menu_items
  where menu_item_id > $1
  order by menu_item_id
  limit $2
`

/** Advances checkpoints. Returns the items that may have further movements. */
const advanceSql = `
  with committed as (
    select i.menu_item_id, i.restaurant_id, coalesce(c.ledger_qty, 0) + new.qty as ledger_qty, new.through, new.last_at,
      new.count
    from menu_items as i
    left join stock_checkpoints as c
      on c.menu_item_id = i.menu_item_id
      and c.restaurant_id = i.restaurant_id
    cross join lateral (
      select sum(m.delta) as qty, (array_agg(m.movement_id order by m.movement_id desc))[1] as through,
        max(m.at) as last_at, count(*) as count
      from (
        select movement_id, delta, at
        from stock_movements
        where menu_item_id = i.menu_item_id
          and restaurant_id = i.restaurant_id
          and movement_id > coalesce(c.through_movement_id, '${NIL_UUID}')
          and movement_id < (select uuidv7(-interval '${COMMITTED_AFTER}'))
        order by movement_id
        limit $2
      ) as m
    ) as new
    where i.menu_item_id = any($1::uuid[])
      and new.through is not null
  ), advanced as (
    insert into stock_checkpoints (menu_item_id, restaurant_id, ledger_qty, through_movement_id, last_at)
    select menu_item_id, restaurant_id, ledger_qty, through, last_at
    from committed
    on conflict (menu_item_id, restaurant_id) do update
    set ledger_qty = excluded.ledger_qty, through_movement_id = excluded.through_movement_id,
      last_at = excluded.last_at
  )
  select menu_item_id
  from committed
  where count = $2
`

const differingSql = `
  select menu_item_id, on_hand, ledger_qty
  from ops.stock
  where on_hand <> ledger_qty
  order by menu_item_id
  limit $1
`
