import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Checks of foreign keys to `orders` and changes of a status also name the columns that lists go by: planned on a young
 * table, they took a list's index and read all orders of a restaurant, or of a status, each time. The conditions that these
 * indexes have now hold for every order, but only the query that an index is for states it: no other can be planned over it.
 */
export class KeepListIndexesForLists1795356000000 implements MigrationInterface {
  name = 'KeepListIndexesForLists1795356000000'

  async up(runner: QueryRunner): Promise<void> {
    await replaceIndexes(runner, 'where placed_at is not null', 'where version > 0')
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceIndexes(runner, '', '')
  }
}

async function replaceIndexes(runner: QueryRunner, byRestaurant: string, byStatus: string): Promise<void> {
  await runner.query('drop index orders_by_restaurant, orders_by_status')
  await runner.query(
    `create index orders_by_restaurant on orders (restaurant_id, status, placed_at, order_id) ${byRestaurant}`,
  )
  await runner.query(`create index orders_by_status on orders (status, placed_at, order_id) ${byStatus}`)
}
