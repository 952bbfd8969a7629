import type { Tx } from '../db/transaction.ts'
import { NotFound } from '../platform/errors.ts'
import { type MenuItem, MenuItemEntity, type Restaurant } from './inventory-entities.ts'

/** One menu item with its restaurant. @throws NotFound */
export async function readMenuItem(
  tx: Tx,
  menuItemId: string,
): Promise<MenuItem & { restaurant: Restaurant }> {
  const item = await tx.entities.findOne(MenuItemEntity, {
    where: { menu_item_id: menuItemId },
    relations: { restaurant: true },
  })
  if (!item?.restaurant) throw new NotFound('menu-item', menuItemId)
  return { ...item, restaurant: item.restaurant }
}
