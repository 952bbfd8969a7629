import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * The server whose transaction ids the cursor of the statistics counts. A dump or a logical copy
 * carries the cursor to a server with other ids.
 */
export class BindStatisticsToTheirServer1797500000000 implements MigrationInterface {
  name = 'BindStatisticsToTheirServer1797500000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table projection_cursors add column system_identifier bigint')
    await runner.query(
      'update projection_cursors set system_identifier = (select system_identifier from pg_control_system())',
    )
    await runner.query('alter table projection_cursors alter column system_identifier set not null')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table projection_cursors drop column system_identifier')
  }
}
