import type { Database } from '../../db/database.ts'
import { NIL_UUID } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'

/** No transaction is longer than a minute, and clocks differ by less: what is older than this has been committed. */
const SETTLED_AFTER = '2 minutes'
/** Items a statement. */
const BATCH_COUNT = 100
/** Movements of an item a statement: however long a ledger is, no statement is, and none is cut short by its timeout. */
const MOVEMENT_COUNT = 2_000
/** Items whose whole ledger is added up anew in a run, those first for which that was longest ago. */
const RECOUNT_COUNT = 20
/** Movements after which a run begins with no further item of these. */
const MAX_RECOUNT_MOVEMENT_COUNT = 1_000_000
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
export async function reconcileStock(
  database: Database,
  log: Logger,
  movementCount = MOVEMENT_COUNT,
): Promise<Reconciled> {
  const items = await advanceCheckpoints(database, movementCount)
  await recount(database, movementCount)
  const differing = await database.query<Reconciled['differing'][number]>(differingSql, [MAX_NAMED])
  if (differing.length > 0) log.error({ differing }, 'stock is not the sum of its ledger')
  else log.info({ items }, 'stock is the sum of its ledger')
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

/** Nobody else moves a checkpoint, and movements before it do not change: their sum may be taken in parts. */
async function recount(database: Database, movementCount: number): Promise<void> {
  const checkpoints = await database.query<Checkpoint>(longestAgoSql, [RECOUNT_COUNT])
  let counted = 0
  for (const { menu_item_id, restaurant_id, through_movement_id } of checkpoints) {
    if (counted >= MAX_RECOUNT_MOVEMENT_COUNT) return
    let sum = 0
    let after = NIL_UUID
    for (let isMore = true; isMore; ) {
      const [part] = await database.query<{ qty: number; count: number; last: string }>(partSql, [
        menu_item_id,
        restaurant_id,
        after,
        through_movement_id,
        movementCount,
      ])
      if (!part) break
      sum += part.qty
      counted += part.count
      after = part.last
      isMore = part.count === movementCount
    }
    await database.execute(recountedSql, [menu_item_id, restaurant_id, through_movement_id, sum])
  }
}

interface Checkpoint {
  menu_item_id: string
  restaurant_id: string
  through_movement_id: string
}

const batchSql = `
  select menu_item_id
  from menu_items
  where menu_item_id > $1
  order by menu_item_id
  limit $2
`

/** @returns items of which there may be more */
const advanceSql = `
  with settled as (
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
          and movement_id < (select uuidv7(-interval '${SETTLED_AFTER}'))
        order by movement_id
        limit $2
      ) as m
    ) as new
    where i.menu_item_id = any($1::uuid[])
      and new.through is not null
  ), advanced as (
    insert into stock_checkpoints (menu_item_id, restaurant_id, ledger_qty, through_movement_id, last_at)
    select menu_item_id, restaurant_id, ledger_qty, through, last_at
    from settled
    on conflict (menu_item_id, restaurant_id) do update
    set ledger_qty = excluded.ledger_qty, through_movement_id = excluded.through_movement_id,
      last_at = excluded.last_at
  )
  select menu_item_id
  from settled
  where count = $2
`

const longestAgoSql = `
  select menu_item_id, restaurant_id, through_movement_id
  from stock_checkpoints
  order by recounted_at, menu_item_id
  limit $1
`

const partSql = `
  select sum(delta)::float8 as qty, count(*)::integer as count, (array_agg(movement_id order by movement_id desc))[1] as last
  from (
    select delta, movement_id
    from stock_movements
    where menu_item_id = $1
      and restaurant_id = $2
      and movement_id > $3
      and movement_id <= $4
    order by movement_id
    limit $5
  ) as part
  having count(*) > 0
`

const recountedSql = `
  update stock_checkpoints
  set recounted_at = clock_timestamp(), ledger_qty = $4
  where menu_item_id = $1
    and restaurant_id = $2
    and through_movement_id = $3
`

const differingSql = `
  select menu_item_id, on_hand, ledger_qty::integer
  from ops.stock
  where on_hand <> ledger_qty
  order by menu_item_id
  limit $1
`
