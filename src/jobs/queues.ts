import type { Queue } from 'pg-boss'

/** Where a job goes that has used up its retries. Its consumer copies each into `dead_letters`. */
export const DEAD_LETTER_QUEUE = 'dead-letters'

const DAY_SECONDS = 24 * 60 * 60

/**
 * Technical failures are retried for about 40 minutes: 12 times, 1 s doubling to 10 min, each with jitter.
 * A job is at most 60 s in one pair of hands, and goes back 10 s after its worker's last heartbeat.
 */
const eventQueue = {
  retryLimit: 12,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 600,
  expireInSeconds: 60,
  heartbeatSeconds: 10,
  retentionSeconds: 30 * DAY_SECONDS,
  deleteAfterSeconds: 7 * DAY_SECONDS,
  deadLetter: DEAD_LETTER_QUEUE,
  partition: true,
  notify: true,
} as const satisfies Omit<Queue, 'name'>

/** Every queue that events are routed to, with how its batches are worked. */
export const eventQueues = {
  'inventory.deduct': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'inventory.restore': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'order.prepare': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
  'order.reject': { ...eventQueue, batchSize: 200, localConcurrency: 1 },
} as const

export type QueueName = keyof typeof eventQueues

/** One job for each event and each subscription that hears of it. */
export const DELIVERY_QUEUE = 'downstream.deliver'

/**
 * What receivers do not take is tried for about three days: ten attempts in all, at the times of `deliveryDelays`, which stand in
 * for pg-boss's own. Those are for deliveries whose worker died, which counts as an attempt.
 * A worker may hold a job back for a slow receiver: it expires after ten minutes, or 10 s after its worker's last heartbeat.
 */
export const deliveryQueue = {
  retryLimit: 9,
  retryDelay: 1,
  retryBackoff: true,
  expireInSeconds: 600,
  heartbeatSeconds: 10,
  retentionSeconds: 30 * DAY_SECONDS,
  deleteAfterSeconds: 1 * DAY_SECONDS,
  deadLetter: DEAD_LETTER_QUEUE,
  partition: true,
  notify: false,
} as const satisfies Omit<Queue, 'name'>

/** A dead letter never expires by itself: its copying is tried until it works. */
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

/** One run at a time; one that was missed is made up for once. */
const housekeepingQueue = {
  policy: 'exclusive',
  retryLimit: 3,
  retryDelay: 60,
  retryBackoff: true,
  expireInSeconds: 1_800,
  heartbeatSeconds: 60,
  deleteAfterSeconds: 7 * DAY_SECONDS,
  deadLetter: DEAD_LETTER_QUEUE,
} as const satisfies Omit<Queue, 'name'>

/** Housekeeping, by the clock: each queue with its schedule (cron, UTC). */
export const housekeepingQueues = {
  'maintenance.prune': { ...housekeepingQueue, cron: '17 * * * *' },
  'maintenance.reconcile-stock': { ...housekeepingQueue, cron: '*/5 * * * *' },
  'maintenance.watch-dead-letters': { ...housekeepingQueue, cron: '*/5 * * * *' },
} as const

export type MaintenanceJobName = keyof typeof housekeepingQueues

/** Every queue there is. */
export const queueNames: readonly string[] = [
  ...Object.keys(eventQueues),
  DELIVERY_QUEUE,
  DEAD_LETTER_QUEUE,
  ...Object.keys(housekeepingQueues),
]

/** How a worker sleeps: NOTIFY wakes it at once; polling finds what became due or was not notified. */
export const polling = {
  pollingIntervalSeconds: 1,
  notifyPollingIntervalSeconds: 1,
  burstWhenBatchFull: true,
} as const
