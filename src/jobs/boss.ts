import { type ConstructorOptions, type Db, PgBoss, type Queue } from 'pg-boss'
import type { Database } from '../db/database.ts'
import type { Logger } from '../platform/log.ts'
import {
  DEAD_LETTER_QUEUE,
  DELIVERY_QUEUE,
  deadLetterQueue,
  deliveryQueue,
  eventQueues,
  housekeepingQueues,
} from './catalogue.ts'

/** `migrator` installs and creates queues; `producer` only inserts jobs; `consumer` works them and keeps house. */
export type BossRole = 'migrator' | 'producer' | 'consumer'

/**
 * Together with the heartbeat of 10 s, the first retry's 1 to 2 s and the polling: the jobs of a dead worker run elsewhere
 * within 15 s. Each pass walks indexes of unfinished jobs only, and one of all workers makes it.
 */
const SUPERVISE_INTERVAL_SECONDS = 1
const MONITOR_INTERVAL_SECONDS = 1
const NEVER_SECONDS = 86_400

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
    flowIntervalSeconds: NEVER_SECONDS,
    openTelemetry: { propagateContext: true },
    ...roleOptions[role],
  })
  boss.on('error', error => log.error({ error: error.message }, 'queue error'))
  boss.on('warning', warning => log.warn({ warning: warning.data }, warning.message))
  await boss.start()
  return boss
}

/** Creates every queue and schedule of the catalogue, or brings it to the catalogue's options. */
export async function createQueues(boss: PgBoss): Promise<void> {
  await createOrUpdate(boss, DEAD_LETTER_QUEUE, deadLetterQueue)
  for (const [name, queue] of Object.entries(eventQueues)) {
    const { batchSize: _, localConcurrency: __, ...options } = queue
    await createOrUpdate(boss, name, options)
  }
  await createOrUpdate(boss, DELIVERY_QUEUE, deliveryQueue)
  for (const [name, { cron, ...options }] of Object.entries(housekeepingQueues)) {
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
    executeSql: (text, values) => database.executeSql(pickFirst(text), values),
    beginTransaction: () => database.beginTransaction(),
    listen: (channel, onNotification, onReconnect) => database.listen(channel, onNotification, onReconnect),
    poolCounts: () => database.poolCounts(),
  }
}

/** How pg-boss's fetch ends: what it picked, joined to its table. */
const JOINED_TO_PICK = /FROM next\s+WHERE (name = '[^']*') AND j\.id = next\.id/

/**
 * A plan of that join, cached while the table was empty, starts from the table's end and reads all of it at every fetch
 * later on. As a list that is made first, the pick leaves no choice: the plan may be kept, which is most of what a fetch costs.
 */
function pickFirst(text: string): string {
  return text.replace(JOINED_TO_PICK, 'WHERE $1 AND j.id = any(array(select id from next))')
}
