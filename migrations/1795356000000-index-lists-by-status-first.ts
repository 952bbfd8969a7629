import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * The check of a foreign key to `orders` asks by order and restaurant. Planned on a young table, it took the index that
 * began with the restaurant, and read all of its orders at each check. One that begins with the status is a choice only where the table was analyzed while empty.
 */
export class IndexListsByStatusFirst1795356000000 implements MigrationInterface {
  name = 'IndexListsByStatusFirst1795356000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop index orders_by_restaurant')
    await runner.query(
      'create index orders_by_restaurant on orders (status, restaurant_id, placed_at, order_id)',
    )
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index orders_by_restaurant')
    await runner.query(
      'create index orders_by_restaurant on orders (restaurant_id, status, placed_at, order_id)',
    )
  }
}
