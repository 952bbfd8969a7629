import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Restaurants have a time zone: a name of the IANA database. Existing restaurants, and those that a
 * process of the previous version adds, have UTC.
 */
export class AddTimeZones1796400000000 implements MigrationInterface {
  name = 'AddTimeZones1796400000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table restaurants add column time_zone text not null default 'UTC'`)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table restaurants drop column time_zone')
  }
}
