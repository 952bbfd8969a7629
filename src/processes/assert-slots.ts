import type { Database } from '../db/database.ts'
import { ConfigurationError } from '../platform/config.ts'
import { slotOf } from '../platform/slots.ts'

/**
 * Requires that all stored orders and menu items have the slot of their restaurant, so that a
 * router that reads only their ids finds them. Reads the ids of before slots were assigned, and
 * those of a day after, in which processes of an earlier version may have run.
 * @throws ConfigurationError naming an id of another slot
 */
export async function assertSlots(database: Database): Promise<void> {
  const [other] = await database.query<{ kind: string; id: string; restaurant_id: string }>(otherSlotSql)
  if (!other) return
  const { kind, id, restaurant_id } = other
  throw new ConfigurationError(
    `CELL_SLOTS: ${kind} ${id} has slot ${slotOf(id)}, but its restaurant ${restaurant_id} has slot ${slotOf(restaurant_id)}; unset the variable, or see docs/deployment.md, section Cells`,
  )
}

const otherSlot = (kind: string, table: string, id: string) => `
  (
    select '${kind}' as kind, ${id} as id, restaurant_id
    from ${table}
    where ${id} < (select uuidv7(since + interval '1 day' - clock_timestamp()) from slot_assignment)
      and right(${id}::text, 3) <> right(restaurant_id::text, 3)
    order by ${id}
    limit 1
  )`

const otherSlotSql = `
  ${otherSlot('order', 'orders', 'order_id')}
  union all
  ${otherSlot('menu item', 'menu_items', 'menu_item_id')}
  limit 1
`
