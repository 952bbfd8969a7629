import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Stores the decimals of all amounts with each restaurant and order. Existing rows get the decimals
 * that `Intl` of Node 24.21 had, with which their amounts were written and read. The default of 2
 * is set without rewriting the table of orders; only rows with other decimals are updated. The
 * triggers fill the column for processes of the previous version, which do not know it; the
 * condition of a trigger is false for all other inserts.
 */
export class StoreCurrencyDecimals1796100000000 implements MigrationInterface {
  name = 'StoreCurrencyDecimals1796100000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create function decimals_before_iso_4217(currency text) returns smallint
      language sql immutable
      return (case
        when currency in ('AFN', 'ALL', 'BIF', 'CLP', 'COP', 'DJF', 'GNF', 'HUF', 'IDR', 'IQD', 'IRR',
          'ISK', 'JPY', 'KMF', 'KPW', 'KRW', 'LAK', 'LBP', 'MGA', 'MMK', 'PKR', 'PYG', 'RWF', 'SLL',
          'SOS', 'SYP', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF', 'YER') then 0
        when currency in ('BHD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
        else 2
      end)::smallint
    `)
    for (const table of ['restaurants', 'orders']) {
      await runner.query(`
        alter table ${table}
          add column currency_decimals smallint not null default 2,
          add constraint currency_decimals_are_from_0_to_4 check (currency_decimals between 0 and 4)
      `)
      await runner.query(`
        update ${table}
        set currency_decimals = decimals_before_iso_4217(currency)
        where decimals_before_iso_4217(currency) <> 2
      `)
      await runner.query(`alter table ${table} alter column currency_decimals drop default`)
      await runner.query(fillingTrigger(table))
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['orders', 'restaurants']) {
      await runner.query(`drop trigger fill_currency_decimals on ${table}`)
      await runner.query(`drop function fill_currency_decimals_of_${table}`)
      await runner.query(`alter table ${table} drop column currency_decimals`)
    }
    await runner.query('drop function decimals_before_iso_4217')
  }
}

/** An order has the decimals of its restaurant; a restaurant has those of the previous version. */
function fillingTrigger(table: string): string {
  const decimals =
    table === 'orders'
      ? '(select r.currency_decimals from restaurants as r where r.restaurant_id = new.restaurant_id)'
      : 'decimals_before_iso_4217(new.currency)'
  return `
    create function fill_currency_decimals_of_${table}() returns trigger
    language plpgsql as $$
    begin
      new.currency_decimals := ${decimals};
      return new;
    end
    $$;
    create trigger fill_currency_decimals
      before insert on ${table}
      for each row
      when (new.currency_decimals is null)
      execute function fill_currency_decimals_of_${table}()
  `
}
