import type { PgBoss } from 'pg-boss'
import { isRetryable, isUnavailable } from '../db/sql-errors.ts'
import type { Tx } from '../db/transaction.ts'
import type { EventType } from '../events/catalogue.ts'
import { checkEvent, type EventOf } from '../events/event.ts'
import { traceEvents, traceFields } from '../events/trace-events.ts'
import { failpoint } from '../platform/failpoints.ts'
import type { Logger } from '../platform/log.ts'
import type { FanOut } from './fan-out.ts'
import { everyId, type IdWindow } from './id-window.ts'
import { besideHeld, inWindowSql, pendingBesideHeldSql, pendingSql } from './pending-events.ts'
import { insertJobs, logDispatched, type Publisher } from './publish.ts'

export interface DispatchedBatch {
  /** events taken from the outbox, quarantined ones included; 0 means idle */
  claimed: number
  quarantined: number
}

/**
 * Moves at most `limit` committed events to their queues, oldest first. Dispatchers skip events
 * that another dispatcher has claimed. Atomic: an event is both queued and marked dispatched, or
 * neither. An event that cannot be parsed, routed or queued is quarantined with its error and
 * delays no other event.
 * @param limit events per call, 1..500
 * @param window bounds of the ids of these events
 * @param held types of events that stay in the outbox, with all later events of their orders
 */
export async function dispatchBatch(
  tx: Tx,
  publisher: Publisher,
  limit: number,
  { from, until }: IdWindow = everyId,
  held: ReadonlySet<EventType> = new Set(),
): Promise<DispatchedBatch> {
  const { boss, fanOut, log } = publisher
  tx.pipeline(tx.execute(commitWithoutFlushSql))
  const rows = await tx.query<EventOf & { is_target: boolean }>(claimSql(fanOut, held.size > 0), [
    limit,
    from,
    until,
    ...besideHeld(held),
  ])
  const claimed = rows.filter(({ is_target }) => !is_target).map(({ is_target: _, ...event }) => event)
  failpoint('dispatcher.claimed')
  const { valid: routable, invalid } = validate(claimed.sort((a, b) => (a.event_id < b.event_id ? -1 : 1)))
  const traced = traceEvents('dispatch', 'PRODUCER', routable)
  const valid = traced.events
  try {
    await insertJobsInSavepoint(tx, boss, valid)
  } catch (error) {
    if (isUnavailable(error) || isRetryable(error)) throw error
    for (const event of valid.splice(0)) {
      const failure = await failureOf(() => insertJobsInSavepoint(tx, boss, [event]))
      if (failure) invalid.push({ event, error: failure })
      else valid.push(event)
    }
  }
  publisher.backlog?.add(valid)
  failpoint('dispatcher.jobs-inserted')
  for (const { event, error } of invalid)
    await tx.execute(quarantineSql(fanOut), [event.event_id, event.restaurant_id, error])
  tx.afterCommit(() => {
    traced.end(id => invalid.find(({ event }) => event.event_id === id)?.error)
    logDispatched(log, valid)
    logQuarantined(log, invalid)
    if (rows.length > claimed.length) publisher.wakeDeliveries?.()
    failpoint('dispatcher.after-commit')
  })
  failpoint('dispatcher.before-commit')
  return { claimed: claimed.length, quarantined: invalid.length }
}

async function insertJobsInSavepoint(tx: Tx, boss: PgBoss, events: readonly EventOf[]): Promise<void> {
  if (events.length === 0) return
  await tx.savepoint(() => insertJobs(tx, boss, events))
}

type InvalidOutboxEvent = { event: EventOf; error: string }

function validate(events: EventOf[]): { valid: EventOf[]; invalid: InvalidOutboxEvent[] } {
  const valid: EventOf[] = []
  const invalid: InvalidOutboxEvent[] = []
  for (const event of events) {
    try {
      checkEvent(event)
      valid.push(event)
    } catch (error) {
      invalid.push({ event, error: String(error) })
    }
  }
  return { valid, invalid }
}

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (isUnavailable(error) || isRetryable(error)) throw error
    return String(error)
  }
}

function logQuarantined(log: Logger, invalid: readonly InvalidOutboxEvent[]): void {
  for (const { event, error } of invalid) {
    const { event_id, order_id, trace_context, type } = event
    log.error({ event_id, order_id, ...traceFields(trace_context), error }, `${type}: quarantined`)
  }
}

/**
 * The commit does not wait for the disk. A crash of the server that loses it leaves the events
 * pending, and they are dispatched again: what a worker commits later reaches the disk after it.
 */
const commitWithoutFlushSql = 'set local synchronous_commit = off'

const claimedSql = `
  ${pendingSql}
  for update skip locked
`

const claimedBesideHeldSql = `
  select event_id
  from outbox_events
  where event_id = any(array(${pendingBesideHeldSql}))
    and dispatched_at is null
    and quarantined_at is null
    and ${inWindowSql}
  for update skip locked
`

/**
 * Claims events, marks them dispatched and fans them out. The caller inserts their jobs before it
 * commits. Returns the events, then one row per target.
 */
const claimSql = (fanOut: FanOut, isHolding: boolean) => `
  with claimed as (
    ${isHolding ? claimedBesideHeldSql : claimedSql}
  ),
  published as (
    update outbox_events
    set dispatched_at = clock_timestamp(), attempts = attempts + 1
    where event_id = any(array(select event_id from claimed))
      and ${inWindowSql}
    returning event_id, restaurant_id, type, order_id, payload, trace_context
  ),
  targets as (
    ${fanOut.insertSql}
  )
  select event_id, restaurant_id, type, order_id, payload, trace_context, false as is_target
  from published
  union all
  select event_id, null, null, null, null, null, true
  from targets
`

/** Quarantines an event and removes its deliveries. */
const quarantineSql = (fanOut: FanOut) => `
  with undelivered as (
    ${fanOut.removeSql}
  )
  update outbox_events
  set dispatched_at = null, quarantined_at = clock_timestamp(), error = $3
  where event_id = $1
    and restaurant_id = $2
`
