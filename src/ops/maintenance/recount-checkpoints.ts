import type { Database } from '../../db/database.ts'
import { NIL_UUID } from '../../platform/ids.ts'

/** Items whose whole ledger is summed again per run, in turn. */
const RECOUNT_COUNT = 20
/** Movements after which a run sums no further ledger. */
const MAX_RECOUNT_MOVEMENT_COUNT = 1_000_000

/**
 * Sums the ledgers of some items again from the beginning and corrects their checkpoints, which
 * detects changed or deleted movements of the past. A ledger is summed in parts: runs do not
 * overlap, and no movement is added before a checkpoint.
 */
export async function recountCheckpoints(database: Database, movementCount: number): Promise<void> {
  const checkpoints = await database.query<Checkpoint>(dueCheckpointsSql, [RECOUNT_COUNT])
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

const dueCheckpointsSql = `
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
