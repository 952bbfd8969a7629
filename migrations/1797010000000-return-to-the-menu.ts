import type { MigrationInterface, QueryRunner } from 'typeorm'

const tables = ['restaurants', 'menu_items']

/**
 * Until when a restaurant or a menu item is inactive, and why. What is inactive already stays so
 * until further notice. The trigger clears both when a process of an earlier version, which does
 * not know them, activates a row.
 */
export class ReturnToTheMenu1797010000000 implements MigrationInterface {
  name = 'ReturnToTheMenu1797010000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create function clear_inactivity() returns trigger
      language plpgsql as $$
      begin
        new.inactive_until := null;
        new.inactive_reason := null;
        return new;
      end
      $$
    `)
    for (const table of tables) {
      await runner.query(`
        alter table ${table}
          add column inactive_until timestamptz,
          add column inactive_reason text,
          add constraint only_what_is_inactive_returns check (deactivated_at is not null or inactive_until is null),
          add constraint only_what_is_inactive_has_a_reason
            check (deactivated_at is not null or inactive_reason is null),
          add constraint reasons_have_1_to_200_characters check (char_length(inactive_reason) between 1 and 200)
      `)
      await runner.query(`
        create trigger clear_inactivity
          before update of deactivated_at on ${table}
          for each row
          when (new.deactivated_at is null)
          execute function clear_inactivity()
      `)
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    for (const table of tables) {
      await runner.query(`drop trigger clear_inactivity on ${table}`)
      await runner.query(`alter table ${table} drop column inactive_until, drop column inactive_reason`)
    }
    await runner.query('drop function clear_inactivity')
  }
}
