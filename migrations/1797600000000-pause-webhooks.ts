import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Lets operators pause the deliveries to a webhook. Existing webhooks are not paused. */
export class PauseWebhooks1797600000000 implements MigrationInterface {
  name = 'PauseWebhooks1797600000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table webhooks add column paused_at timestamptz')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table webhooks drop column paused_at')
  }
}
