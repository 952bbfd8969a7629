import { type ConstructorOptions, type Db, PgBoss, type Queue, systemClock } from 'pg-boss'
import type { Database } from '../db/database.ts'
import { nowMs } from '../platform/clock.ts'
import type { Logger } from '../platform/log.ts'
import {
  DEAD_LETTER_QUEUE,
  DELIVERY_QUEUE,
  deadLetterQueue,
  deliveryQueue,
  eventQueues,
  maintenanceQueues,
} from './queues.ts'

/** `migrator` installs and creates queues; `producer` only inserts jobs; `consumer` works them and keeps house. */
export type BossRole = 'migrator' | 'producer' | 'consumer'

/**
 * Together with the heartbeat of 10 s, the first retry's 1 to 2 s and the polling: the jobs of a dead worker run elsewhere
 * within 15 s. Each pass walks indexes of unfinished jobs only, and one of all workers makes it.
 */
const SUPERVISE_INTERVAL_SECONDS = 1
const MONITOR_INTERVAL_SECONDS = 1
const NEVER_SECONDS = 86_400
/** The walk that deletes finished jobs reads all jobs, so it runs ten times per retention period. */
const WALKS_PER_RETENTION = 10
const MIN_WALK_INTERVAL_SECONDS = 60
const MAX_WALK_INTERVAL_SECONDS = 86_400

const roleOptions: Record<BossRole, Partial<ConstructorOptions>> = {
  migrator: { schedule: false, migrate: true, createSchema: true, supervise: false, registerInstance: false },
  producer: { schedule: false, migrate: false, createSchema: false, supervise: false },
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
 * Starts pg-boss on this process's own connections.
 * @throws when the queue schema is missing or too old: `npm run migrate` has not been run
 */
export async function startBoss(
  database: Database,
  role: BossRole,
  instanceName: string,
  log: Logger,
): Promise<PgBoss> {
  const boss = new PgBoss({
    db: bossDb(database),
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
export async function createQueues(boss: PgBoss, retentionMinutes: number): Promise<void> {
  const deleteAfterSeconds = retentionMinutes * 60
  await createOrUpdate(boss, DEAD_LETTER_QUEUE, deadLetterQueue)
  for (const [name, queue] of Object.entries(eventQueues)) {
    const { batchSize: _, localConcurrency: __, ...options } = queue
    await createOrUpdate(boss, name, { ...options, deleteAfterSeconds })
  }
  await createOrUpdate(boss, DELIVERY_QUEUE, {
    ...deliveryQueue,
    deleteAfterSeconds: Math.min(deleteAfterSeconds, deliveryQueue.deleteAfterSeconds),
  })
  for (const [name, { cron, ...options }] of Object.entries(maintenanceQueues)) {
    await createOrUpdate(boss, name, options)
    await boss.schedule(name, cron, null, { missed: 'once' })
  }
}

async function createOrUpdate(boss: PgBoss, name: string, options: Omit<Queue, 'name'>): Promise<void> {
  await boss.createQueue(name, options)
  const { partition: _, policy: __, ...changeable } = options
  await boss.updateQueue(name, changeable)
}

/** pg-boss's view of our database: its statements get names, its transactional workers get our {@link Tx}. */
function bossDb(database: Database): Db {
  return {
    executeSql: (text, values) => database.executeSql(pickInPlace(text), values),
    beginTransaction: () => database.beginTransaction(),
    listen: (channel, onNotification, onReconnect) => database.listen(channel, onNotification, onReconnect),
    poolCounts: () => database.poolCounts(),
  }
}

/** What pg-boss's fetch picks, and how it goes on to take it: joined to its table again. */
const PICK = /(next AS \(\s+SELECT )j\.id(\s+FROM)/
const JOINED_TO_PICK = /FROM next\s+WHERE name = '[^']*' AND j\.id = next\.id/

/**
 * Takes what was picked by where it lies. Looked up again by name and id, all jobs of the queue are read at every fetch under a
 * plan that was cached while the table was empty, when any index that begins with the name was as good; like this there is one
 * plan. Locked by the pick, a row stays where it is.
 *
 * Nobody waits for the disk: a claim is no promise. Should the server crash within the next half second, the job may be waiting
 * again, or be older by no attempt; what was done with it is on disk only together with the claim, which stands before it in the log.
 */
function pickInPlace(text: string): string {
  if (!JOINED_TO_PICK.test(text)) return text
  return text.replace(PICK, '$1j.ctid$2').replace(
    JOINED_TO_PICK,
    `WHERE j.ctid = any(array(select ctid from next))
        and (select set_config('synchronous_commit', 'off', true)) = 'off'`,
  )
}
