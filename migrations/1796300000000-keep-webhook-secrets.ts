import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * A webhook has one current secret and several that are still valid after rotations. Existing
 * secrets are carried over. Processes of the version before read `webhooks.secret`: stop the API and
 * the workers first.
 */
export class KeepWebhookSecrets1796300000000 implements MigrationInterface {
  name = 'KeepWebhookSecrets1796300000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table webhook_secrets (
        webhook_id uuid not null,
        secret text not null,
        created_at timestamptz not null default clock_timestamp(),
        expires_at timestamptz,
        constraint webhook_secrets_are_ordered_by_time primary key (webhook_id, created_at),
        constraint secrets_belong_to_a_webhook
          foreign key (webhook_id) references webhooks on delete cascade
      )
    `)
    await runner.query(`
      create unique index webhooks_have_one_current_secret on webhook_secrets (webhook_id)
      where expires_at is null
    `)
    await runner.query(`
      insert into webhook_secrets (webhook_id, secret, created_at, expires_at)
      select webhook_id, previous_secret, created_at, previous_secret_until
      from webhooks
      where previous_secret is not null
      union all
      select webhook_id, secret, greatest(updated_at, created_at + interval '1 microsecond'), null
      from webhooks
      where secret is not null
    `)
    await runner.query(`
      alter table webhooks
        drop constraint deleted_webhooks_keep_no_secret,
        drop constraint previous_secrets_end,
        drop column secret,
        drop column previous_secret,
        drop column previous_secret_until
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table webhooks
        add column secret text,
        add column previous_secret text,
        add column previous_secret_until timestamptz
    `)
    await runner.query(`
      update webhooks
      set secret = s.secret
      from webhook_secrets as s
      where s.webhook_id = webhooks.webhook_id
        and s.expires_at is null
    `)
    await runner.query(`
      update webhooks
      set previous_secret = s.secret, previous_secret_until = s.expires_at
      from (
        select distinct on (webhook_id) webhook_id, secret, expires_at
        from webhook_secrets
        where expires_at is not null
        order by webhook_id, created_at desc
      ) as s
      where s.webhook_id = webhooks.webhook_id
    `)
    await runner.query(`
      alter table webhooks
        add constraint deleted_webhooks_keep_no_secret
          check ((status = 'DELETED') = (secret is null) and (status <> 'DELETED' or previous_secret is null)),
        add constraint previous_secrets_end
          check ((previous_secret is null) = (previous_secret_until is null))
    `)
    await runner.query('drop table webhook_secrets')
  }
}
