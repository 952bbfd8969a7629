import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../src/db/database.ts'
import { queueNames } from '../../src/jobs/queues.ts'
import { pauseQueue, resumeQueue, workersFollow } from '../../src/ops/actions/pause-queue.ts'
import { releaseEvents } from '../../src/ops/actions/release-events.ts'
import { retryJob } from '../../src/ops/actions/retry-job.ts'
import { HEARTBEAT_SECONDS } from '../../src/ops/liveness/heartbeat.ts'
import { flag, ids, readOptions, wholeNumber } from '../support/read-options.ts'
import { ScriptError } from '../support/script-error.ts'
import { jsonOption, operatorOf, operatorOptions, withBoss, withDatabase } from './ops-database.ts'
import { uuidArgument } from './read-commands.ts'
import { field, type Row, rowsTable } from './rows-table.ts'

/** The commands that change something: each with a reason, each in the audit. */

const MAX_EVENT_COUNT = 10_000
/** Workers learn of a pause at their next heartbeat, and finish what they have in hand. */
const CONFIRM_MS = 3 * HEARTBEAT_SECONDS * 1_000
const POLL_MS = 200

export const pause = (args: readonly string[], positionals: readonly string[]) =>
  switchQueue(args, positionals, 'pause')
export const resume = (args: readonly string[], positionals: readonly string[]) =>
  switchQueue(args, positionals, 'resume')

async function switchQueue(
  args: readonly string[],
  [queue]: readonly string[],
  verb: 'pause' | 'resume',
): Promise<number> {
  const command = {
    name: `npm run ops -- ${verb} <queue>`,
    summary:
      verb === 'pause'
        ? 'Has every worker finish what it has in hand of a queue, and take no more of it until it is resumed. Outlives restarts.'
        : 'Has workers take jobs of a paused queue again.',
    example: `npm run ops -- ${verb} inventory.deduct --reason "the supplier counts again"`,
  }
  const options = readOptions(command, { ...operatorOptions, ...jsonOption }, args)
  if (options === null) return 0
  const known = queueArgument(queue)
  const operator = operatorOf(options)
  return await withDatabase(async database => {
    const change = verb === 'pause' ? pauseQueue : resumeQueue
    const changed = await database.transaction(tx => change(tx, known, operator))
    const confirmed = await untilWorkersFollow(database, known, verb)
    const [state, before] =
      verb === 'pause' ? ['is paused', 'was paused already'] : ['is worked again', 'was not paused']
    if (options.json) console.log(JSON.stringify({ queue: known, changed, confirmed }))
    else
      console.log(
        `${known} ${changed ? state : before}; ${confirmed ? 'every worker follows' : 'not every worker has said yet that it follows: see ops.workers'}.`,
      )
    return 0
  })
}

async function untilWorkersFollow(
  database: Database,
  queue: string,
  verb: 'pause' | 'resume',
): Promise<boolean> {
  const deadline = performance.now() + CONFIRM_MS
  for (;;) {
    if (await workersFollow(database, queue, verb === 'pause')) return true
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
}

export async function retry(args: readonly string[], [id]: readonly string[]): Promise<number> {
  const command = {
    name: 'npm run ops -- retry <job>',
    summary:
      'Has a job tried at once: one that waits for its next attempt, or one that has failed for good. Safe: an event never has its effect twice.',
    example: 'npm run ops -- retry 01a204cc-6192-75b6-a084-72a9c81d4053 --reason "the lock is gone"',
  }
  const options = readOptions(command, { ...operatorOptions, ...jsonOption }, args)
  if (options === null) return 0
  const jobId = uuidArgument(id, 'a job')
  const operator = operatorOf(options)
  const retried = await withBoss((database, boss) =>
    database.transaction(tx => retryJob(tx, boss, jobId, operator)),
  )
  if (retried.outcome === 'refused') throw new ScriptError(`nothing was changed: ${retried.why}`)
  if (options.json) console.log(JSON.stringify(retried))
  else if (retried.outcome === 'due now') console.log(`${retried.queue}: the job is due now.`)
  else
    console.log(
      `${retried.queue}: the job was a dead letter, and is given again as ${retried.redriven_job_id}.`,
    )
  return 0
}

export async function quarantine(args: readonly string[], [verb]: readonly string[]): Promise<number> {
  if (verb === 'list') return await listQuarantined(args)
  if (verb === 'release') return await release(args)
  const command = {
    name: 'npm run ops -- quarantine <list | release>',
    summary:
      'Events that could not be dispatched and have been put aside: lists them, or gives them to the dispatcher again. Each has a --help of its own.',
    example: 'npm run ops -- quarantine release --help',
  }
  if (verb === undefined && readOptions(command, jsonOption, args) === null) return 0
  throw new ScriptError('quarantine takes `list` or `release`, e.g. npm run ops -- quarantine list')
}

async function listQuarantined(args: readonly string[]): Promise<number> {
  const command = {
    name: 'npm run ops -- quarantine list',
    summary: 'Events that could not be dispatched and have been put aside, oldest first.',
    example: 'npm run ops -- quarantine list --json',
  }
  const spec = { limit: wholeNumber('most events', 1_000, 1, MAX_EVENT_COUNT), ...jsonOption }
  const options = readOptions(command, spec, args)
  if (options === null) return 0
  const rows = await withDatabase(database =>
    database.query<Row>('select * from ops.quarantined_events order by quarantined_at, event_id limit $1', [
      options.limit,
    ]),
  )
  const columns = {
    event: field('event_id'),
    type: field('event_type'),
    order: field('order_id'),
    quarantined: field('quarantined_at'),
    error: field('error'),
  }
  console.log(options.json ? JSON.stringify(rows) : rowsTable(rows, columns, 'No event is quarantined.'))
  return 0
}

async function release(args: readonly string[]): Promise<number> {
  const command = {
    name: 'npm run ops -- quarantine release',
    summary:
      'Gives quarantined events to the dispatcher again. One that still cannot be dispatched is put aside again.',
    example: 'npm run ops -- quarantine release --all --reason "the new version knows the event"',
  }
  const spec = {
    id: ids('an event or its order'),
    all: flag('every quarantined event'),
    limit: wholeNumber('most events', 1_000, 1, MAX_EVENT_COUNT),
    ...operatorOptions,
    ...jsonOption,
  }
  const options = readOptions(command, spec, args)
  if (options === null) return 0
  if (options.all === options.id.length > 0) throw new ScriptError('either --id or --all is needed')
  const operator = operatorOf(options)
  const events = await withDatabase(database =>
    database.transaction(tx => releaseEvents(tx, options.all ? null : options.id, options.limit, operator)),
  )
  console.log(
    options.json ? JSON.stringify(events) : `${events.length} events given to the dispatcher again.`,
  )
  return 0
}

function queueArgument(queue: string | undefined): string {
  if (queue !== undefined && queueNames.includes(queue)) return queue
  const what =
    queue === undefined ? 'the name of a queue is needed' : `there is no queue ${JSON.stringify(queue)}`
  throw new ScriptError(`${what}; the queues are ${queueNames.join(', ')}`)
}
