import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What lists of orders walk, newest first, and the secret that their cursors are signed with. */
export class IndexLists1795341600000 implements MigrationInterface {
  name = 'IndexLists1795341600000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index orders_by_restaurant on orders (restaurant_id, status, placed_at, order_id)',
    )
    await runner.query('create index orders_by_status on orders (status, placed_at, order_id)')
    await runner.query(`
      create index orders_by_customer on orders (customer_id, placed_at, order_id)
        where customer_id is not null
    `)
    await runner.query(`
      create table api_secrets (
        name text not null,
        value bytea not null,
        constraint secrets_are_known_by_name primary key (name),
        constraint secrets_have_256_bits check (length(value) = 32)
      )
    `)
    // Each uuid has 122 bits from the server's strong random source.
    await runner.query(`
      insert into api_secrets (name, value)
      values ('cursor', sha256(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid())::bytea))
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table api_secrets')
    await runner.query('drop index orders_by_restaurant, orders_by_status, orders_by_customer')
  }
}
