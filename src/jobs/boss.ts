import { type ConstructorOptions, type Db, PgBoss, type Queue, systemClock } from 'pg-boss'
import type { Database, PoolKind } from '../db/database.ts'
import { NotMigrated } from '../db/migrations.ts'
import type { Sql } from '../db/transaction.ts'
import { nowMs } from '../platform/clock.ts'
import type { Logger } from '../platform/log.ts'
import { changePolicy, keyJobsByEvent, unfitQueues } from './queue-tables.ts'
import { DEAD_LETTER_QUEUE, deadLetterQueue, eventQueues, maintenanceQueues } from './queues.ts'

/**
 * `migrator` installs and creates queues; `producer` only inserts jobs; `operator` inserts and
 * changes jobs; `consumer` works them and maintains the queues.
 */
export type BossRole = 'migrator' | 'producer' | 'operator' | 'consumer'

/**
 * Together with the heartbeat of 10 s, the first retry's 1 to 2 s and the polling: the jobs of a
 * dead worker run elsewhere within 15 s. Each pass walks indexes of unfinished jobs only, and one
 * of all workers makes it.
 */
const SUPERVISE_INTERVAL_SECONDS = 1
const MONITOR_INTERVAL_SECONDS = 1
const NEVER_SECONDS = 86_400
/**
 * The walk that deletes finished jobs reads all jobs, so it runs ten times per retention period.
 */
const WALKS_PER_RETENTION = 10
const MIN_WALK_INTERVAL_SECONDS = 60
const MAX_WALK_INTERVAL_SECONDS = 86_400

const producer = { schedule: false, migrate: false, createSchema: false, supervise: false } as const

const roleOptions: Record<BossRole, Partial<ConstructorOptions>> = {
  migrator: { schedule: false, migrate: true, createSchema: true, supervise: false, registerInstance: false },
  producer,
  operator: { ...producer, registerInstance: false },
  consumer: {
    schedule: true,
    migrate: false,
    createSchema: false,
    supervise: true,
    superviseIntervalSeconds: SUPERVISE_INTERVAL_SECONDS,
    monitorIntervalSeconds: MONITOR_INTERVAL_SECONDS,
    useListenNotify: true,
    persistWarnings: true,
  },
}

/**
 * The pool on which pg-boss claims jobs and maintains them. A claim need not reach the disk before
 * its jobs run: after a crash of the server, a claimed job is waiting again or has one attempt
 * less; the effects of a job are committed on the other pool, after its claim. The claim is planned
 * at each call: a plan that was cached while the table was empty would read all jobs of the queue
 * for ever. It has no parameters, so that `plan_cache_mode` does not prevent that.
 */
export const claimPool: PoolKind = { settings: { synchronous_commit: 'off' }, replans: true }

/**
 * Starts pg-boss on this process's own connections.
 * @param claims the {@link claimPool} of a worker; by default `database`
 * @throws NotMigrated when the queues are missing or of another version
 */
export async function startBoss(
  database: Database,
  role: BossRole,
  instanceName: string,
  log: Logger,
  claims: Database = database,
): Promise<PgBoss> {
  const queues = role === 'migrator' ? 'ok' : await describeQueues(database)
  if (queues !== 'ok') throw new NotMigrated(queues)
  const boss = new PgBoss({
    db: bossDb(database, claims),
    instanceName,
    clock: { ...systemClock, now: nowMs },
    flowIntervalSeconds: NEVER_SECONDS,
    openTelemetry: { propagateContext: true },
    ...roleOptions[role],
    ...(role === 'consumer' ? { maintenanceIntervalSeconds: await walkInterval(database) } : {}),
  })
  boss.on('error', error => log.error({ error: error.message }, 'queue error'))
  boss.on('warning', warning => log.warn({ warning: warning.data }, warning.message))
  await boss.start()
  return boss
}

/** Returns `ok`, or which queue is missing or of another version. */
export async function describeQueues(sql: Sql): Promise<string> {
  const wanted = Object.entries(eventQueues).map(([name, { policy }]) => [name, policy] as const)
  const [unfit] = await unfitQueues(sql, new Map(wanted))
  if (!unfit) return 'ok'
  const { name, policy } = unfit
  return `queue ${name} ${policy === null ? 'does not exist' : `has the policy ${policy}`}: run \`npm run migrate\``
}

/** Returns how often finished jobs are deleted, from the retention that the event queues have. */
async function walkInterval(database: Database): Promise<number> {
  const [queues] = await database.query<{ seconds: number | null }>(retentionSql, [Object.keys(eventQueues)])
  const seconds = Math.floor((queues?.seconds ?? NEVER_SECONDS) / WALKS_PER_RETENTION)
  return Math.min(Math.max(seconds, MIN_WALK_INTERVAL_SECONDS), MAX_WALK_INTERVAL_SECONDS)
}

const retentionSql = `
  select min(deletion_seconds) as seconds
  from pgboss.queue
  where name = any($1::text[])
`

/** Creates every queue and schedule of the catalogue, or brings it to the catalogue's options. */
export async function createQueues(
  database: Database,
  boss: PgBoss,
  retentionMinutes: number,
): Promise<void> {
  const deleteAfterSeconds = retentionMinutes * 60
  const createOrUpdate = (name: string, options: Omit<Queue, 'name'>) =>
    createOrUpdateQueue(database, boss, { name, ...options })
  await createOrUpdate(DEAD_LETTER_QUEUE, deadLetterQueue)
  for (const [name, queue] of Object.entries(eventQueues)) {
    const { batchSize: _, localConcurrency: __, ...options } = queue
    await createOrUpdate(name, { ...options, deleteAfterSeconds })
    await keyJobsByEvent(database, name)
  }
  for (const [name, { cron, ...options }] of Object.entries(maintenanceQueues)) {
    await createOrUpdate(name, options)
    await boss.schedule(name, cron, null, { missed: 'once' })
  }
}

async function createOrUpdateQueue(database: Database, boss: PgBoss, queue: Queue): Promise<void> {
  const { name, partition: _, policy = 'standard', ...changeable } = queue
  const existing = await boss.getQueue(name)
  if (!existing) await boss.createQueue(name, queue)
  else if (existing.policy !== policy) await changePolicy(database, queue)
  await boss.updateQueue(name, changeable)
}

/**
 * The database as pg-boss needs it: our transactions for its transactional workers, and `claims`
 * for its own statements.
 */
function bossDb(database: Database, claims: Database): Db {
  return {
    executeSql: (text, values) => claims.executeSql(text, values),
    beginTransaction: () => database.beginTransaction(),
    listen: (channel, onNotification, onReconnect) => database.listen(channel, onNotification, onReconnect),
    poolCounts: () => database.poolCounts(),
  }
}
