import type { PgBoss } from 'pg-boss'
import { Database } from '../db/database.ts'
import { completeMigrations, migrateUp, withMigrationLock } from '../db/migrations.ts'
import { detectPooling } from '../db/pooling.ts'
import { createQueues, startBoss } from '../jobs/boss.ts'
import { SILENT_AFTER_SECONDS } from '../ops/liveness/heartbeat.ts'
import { maintainPartitions } from '../ops/maintenance/maintain-partitions.ts'
import { saveRetention } from '../ops/maintenance/save-retention.ts'
import { createViews, dropViews } from '../ops/refresh-views.ts'
import { grantRoles } from '../ops/roles/grant-roles.ts'
import { type Config, ConfigurationError, parseConfig } from '../platform/config.ts'
import type { Logger } from '../platform/log.ts'
import { retentionOf } from '../platform/retention.ts'
import { DELIVERIES } from '../webhooks/deliveries.ts'

/** Maximum duration of one statement of pg-boss's own migrations. */
const MIGRATION_TIMEOUT_MS = 600_000

/**
 * Updates the schema, pg-boss's schema, the queues, the `ops` views and the grants of roles to this
 * version, and stores the retention periods of the configuration.
 */
export async function migrate(url: string, log: Logger, config: Config = parseConfig({})): Promise<void> {
  if ((await detectPooling(url)) === 'transaction')
    throw new ConfigurationError(
      'DATABASE_URL: leads to a connection pooler in transaction mode, but migrations hold a lock of their session; use the address of Postgres itself',
    )
  await withMigrationLock(url, async () => {
    for (const name of await migrateUp(url)) log.info({ migration: name }, 'migrated')
    const database = await Database.open({
      url,
      applicationName: 'comanda-migrate',
      poolCount: 2,
      timeoutMs: MIGRATION_TIMEOUT_MS,
      log,
    })
    try {
      await dropViews(database)
      const boss = await startBoss(database, 'migrator', 'migrate', log)
      await createQueues(database, boss, config.JOB_RETENTION_MINUTES)
      await deleteDeliveryQueue(boss, database)
      await boss.stop({ graceful: false })
      await saveRetention(database, retentionOf(config))
      await createViews(database)
      await grantRoles(database, log)
      await maintainPartitions(database, log)
      await completeMigrations(database)
    } finally {
      await database.close()
    }
  })
}

/**
 * Deletes pg-boss's former queue of webhook deliveries, unless dispatchers or workers run: those of
 * the previous version fail to publish without it. The next migration without any deletes it.
 */
async function deleteDeliveryQueue(boss: PgBoss, database: Database): Promise<void> {
  const isInUse = (await database.query(liveSql)).length > 0
  if (!isInUse && (await boss.getQueue(DELIVERIES))) await boss.deleteQueue(DELIVERIES)
}

const liveSql = `
  select 1
  from process_heartbeats
  where role in ('dispatcher', 'worker')
    and stopped_at is null
    and beat_at > now() - interval '${SILENT_AFTER_SECONDS} seconds'
  limit 1
`
