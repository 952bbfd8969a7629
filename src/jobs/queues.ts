import type { Queue } from 'pg-boss'

/** Queue of jobs that used up their retries. Its consumer copies them into `dead_letters`. */
export const DEAD_LETTER_QUEUE = 'dead-letters'

const DAY_SECONDS = 24 * 60 * 60

/**
 * Retries technical failures for about 40 minutes: 12 times, after 1 s doubling to 10 min, with
 * jitter. A job returns to its queue after 60 s in progress, or 10 s after the last heartbeat of
 * its worker. Postgres refuses a second unfinished job with the same singleton key, which is the id
 * of the event. JOB_RETENTION_MINUTES sets when finished jobs are deleted. After a change, run
 * `npm run migrate`.
 */
const eventQueue = {
  policy: 'exclusive',
  retryLimit: 12,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 600,
  expireInSeconds: 60,
  heartbeatSeconds: 10,
  retentionSeconds: 30 * DAY_SECONDS,
  deadLetter: DEAD_LETTER_QUEUE,
  partition: true,
  notify: true,
} as const satisfies Omit<Queue, 'name'>

/** Every queue that events are routed to. `batchSize` jobs share a transaction. */
export const eventQueues = {
  'inventory.deduct': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'inventory.restore': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'inventory.return': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'order.prepare': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'order.reject': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
} as const

export type QueueName = keyof typeof eventQueues

/** A dead letter never expires: copying it is retried until it succeeds. */
export const deadLetterQueue = {
  retryLimit: 1_000_000,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 600,
  expireInSeconds: 60,
  heartbeatSeconds: 10,
  retentionSeconds: 3_650 * DAY_SECONDS,
  deleteAfterSeconds: 30 * DAY_SECONDS,
  notify: true,
} as const satisfies Omit<Queue, 'name'>

/** Runs do not overlap. Missed runs are made up for by one run. */
const maintenanceQueue = {
  policy: 'exclusive',
  retryLimit: 3,
  retryDelay: 60,
  retryBackoff: true,
  expireInSeconds: 1_800,
  heartbeatSeconds: 60,
  deleteAfterSeconds: 1 * DAY_SECONDS,
  deadLetter: DEAD_LETTER_QUEUE,
} as const satisfies Omit<Queue, 'name'>

/** Scheduled maintenance: each queue with its schedule (cron, UTC). */
export const maintenanceQueues = {
  'maintenance.partition': { ...maintenanceQueue, cron: '* * * * *' },
  'maintenance.prune': { ...maintenanceQueue, cron: '* * * * *' },
  'maintenance.reconcile-stock': { ...maintenanceQueue, cron: '*/5 * * * *' },
  'maintenance.watch-dead-letters': { ...maintenanceQueue, cron: '*/5 * * * *' },
} as const

export type MaintenanceJobName = keyof typeof maintenanceQueues

/** Every queue of pg-boss. */
export const queueNames: readonly string[] = [
  ...Object.keys(eventQueues),
  DEAD_LETTER_QUEUE,
  ...Object.keys(maintenanceQueues),
]

/** NOTIFY wakes a worker at once. Polling finds jobs that became due or whose NOTIFY was lost. */
export const polling = {
  pollingIntervalSeconds: 1,
  notifyPollingIntervalSeconds: 1,
  burstWhenBatchFull: true,
} as const
