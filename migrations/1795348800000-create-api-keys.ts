import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Who may call the API by a key, and what with: the key itself is known to its owner only. */
export class CreateApiKeys1795348800000 implements MigrationInterface {
  name = 'CreateApiKeys1795348800000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table api_keys (
        key_id uuid not null,
        name text not null,
        hash bytea not null,
        scopes text[] not null,
        restaurant_ids uuid[],
        created_at timestamptz not null default clock_timestamp(),
        revoked_at timestamptz,
        constraint api_keys_are_known_by_id primary key (key_id),
        constraint api_keys_are_found_by_their_hash unique (hash),
        constraint hashes_are_sha_256 check (length(hash) = 32),
        constraint api_keys_may_do_something check (cardinality(scopes) > 0),
        constraint bound_keys_name_a_restaurant check (cardinality(restaurant_ids) > 0)
      )
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table api_keys')
  }
}
