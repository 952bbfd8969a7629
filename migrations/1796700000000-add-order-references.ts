import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * A client's own reference of an order is unique per restaurant for ever, so that the order can be
 * sent again after days offline. Existing orders have none.
 */
export class AddOrderReferences1796700000000 implements MigrationInterface {
  name = 'AddOrderReferences1796700000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table order_references (
        restaurant_id uuid not null,
        client_reference text not null,
        order_id uuid not null,
        fingerprint text not null,
        constraint references_are_unique_per_restaurant primary key (client_reference, restaurant_id),
        constraint orders_have_one_reference unique (order_id, restaurant_id),
        constraint references_belong_to_an_order
          foreign key (order_id, restaurant_id) references orders (order_id, restaurant_id),
        constraint references_have_1_to_64_characters check (char_length(client_reference) between 1 and 64)
      )
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table order_references')
  }
}
