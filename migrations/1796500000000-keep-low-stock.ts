import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Keeps since when the stock of an item is low: at or below its threshold. The trigger sets and
 * clears the time in the statement that changes stock or threshold, whichever process or operator
 * runs it; its condition is false while an item stays low or not low. Items that are low already
 * get the time of their last change, and no event.
 */
export class KeepLowStock1796500000000 implements MigrationInterface {
  name = 'KeepLowStock1796500000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table menu_items add column low_since timestamptz')
    await runner.query(`
      update menu_items
      set low_since = updated_at
      where available_qty <= low_stock_threshold
    `)
    await runner.query(`
      alter table menu_items add constraint items_are_low_at_or_below_their_threshold
        check ((low_since is not null) = coalesce(available_qty <= low_stock_threshold, false))
    `)
    await runner.query(`
      create function toggle_low_since() returns trigger
      language plpgsql as $$
      begin
        new.low_since := case when new.low_since is null then clock_timestamp() end;
        return new;
      end
      $$;
      create trigger toggle_low_since
        before insert or update on menu_items
        for each row
        when ((new.low_since is not null) <> coalesce(new.available_qty <= new.low_stock_threshold, false))
        execute function toggle_low_since()
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('drop trigger toggle_low_since on menu_items')
    await runner.query('drop function toggle_low_since')
    await runner.query('alter table menu_items drop column low_since')
  }
}
