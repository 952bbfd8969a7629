import { setTimeout as delay } from 'node:timers/promises'
import { Argument, Option } from '@commander-js/extra-typings'
import type { Database } from '../../src/db/database.ts'
import { queueNames } from '../../src/jobs/queues.ts'
import { pauseQueue, resumeQueue, workersFollow } from '../../src/ops/actions/pause-queue.ts'
import { releaseEvents } from '../../src/ops/actions/release-events.ts'
import { retryJob } from '../../src/ops/actions/retry-job.ts'
import { HEARTBEAT_SECONDS } from '../../src/ops/liveness/heartbeat.ts'
import { counted } from '../../src/platform/counted.ts'
import { DELIVERIES } from '../../src/webhooks/deliveries.ts'
import { commandLine, uuid, uuids, wholeNumber } from '../support/command-line.ts'
import { ScriptError } from '../support/script-error.ts'
import { actorOption, jsonOption, requiredReasonOption, withBoss, withDatabase } from './ops-database.ts'
import { field, type Row, rowsTable } from './rows-table.ts'

/** The commands that change something. Each needs a reason and writes to ops_audit. */

const MAX_EVENT_COUNT = 10_000
/** Workers read the paused queues at each heartbeat, and then finish their current jobs. */
const CONFIRM_TIMEOUT_MS = 3 * HEARTBEAT_SECONDS * 1_000
const POLL_MS = 200

const queueArgument = new Argument('<queue>', 'name of the queue').choices([...queueNames, DELIVERIES])
const limitOption = new Option('--limit <N>', 'maximum number of events')
  .argParser(wholeNumber(1, MAX_EVENT_COUNT))
  .default(1_000)

export const pause = switchCommand(
  'pause',
  'Makes every worker finish its current jobs of a queue and fetch no more until the queue is resumed.\nA queue stays paused when workers restart.',
)
export const resume = switchCommand('resume', 'Makes workers fetch the jobs of a paused queue again.')

function switchCommand(verb: 'pause' | 'resume', description: string) {
  return commandLine(
    verb,
    description,
    `npm run ops -- ${verb} inventory.deduct --reason "the supplier recounts"`,
  )
    .addArgument(queueArgument)
    .addOption(requiredReasonOption)
    .addOption(actorOption)
    .addOption(jsonOption)
    .action(async (queue, { json, ...operator }) => {
      const isPause = verb === 'pause'
      const change = isPause ? pauseQueue : resumeQueue
      await withDatabase(async database => {
        const changed = await database.transaction(tx => change(tx, queue, operator))
        const confirmed = await untilWorkersFollow(database, queue, isPause)
        if (json) return console.log(JSON.stringify({ queue, changed, confirmed }))
        const state = isPause
          ? changed
            ? 'is paused'
            : 'was already paused'
          : changed
            ? 'is resumed'
            : 'was not paused'
        const followers = confirmed ? 'all workers follow' : 'some workers do not follow yet, see ops.workers'
        console.log(`${queue} ${state}; ${followers}.`)
      })
    })
}

/** Returns false when some workers do not follow within the timeout. */
async function untilWorkersFollow(database: Database, queue: string, isPaused: boolean): Promise<boolean> {
  const deadline = performance.now() + CONFIRM_TIMEOUT_MS
  for (;;) {
    if (await workersFollow(database, queue, isPaused)) return true
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
}

export const retry = commandLine(
  'retry',
  'Retries a job at once that waits for its next attempt, or that has used up its attempts.\nSafe: an event never takes effect twice.',
  'npm run ops -- retry 01a204cc-6192-75b6-a084-72a9c81d4053 --reason "the lock is gone"',
)
  .argument('<job>', 'id of the job or webhook delivery', uuid)
  .addOption(requiredReasonOption)
  .addOption(actorOption)
  .addOption(jsonOption)
  .action(async (jobId, { json, ...operator }) => {
    const retried = await withBoss((database, boss) =>
      database.transaction(tx => retryJob(tx, boss, jobId, operator)),
    )
    if (json) console.log(JSON.stringify(retried))
    else if (retried.redriven_job_id === null) console.log(`${retried.queue}: the job is due now.`)
    else
      console.log(
        `${retried.queue}: the job was a dead letter and is redriven as ${retried.redriven_job_id}.`,
      )
  })

const listQuarantined = commandLine(
  'list',
  'Lists quarantined events, oldest first.',
  'npm run ops -- quarantine list --json',
)
  .addOption(limitOption)
  .addOption(jsonOption)
  .action(async ({ limit, json }) => {
    const rows = await withDatabase(database =>
      database.query<Row>('select * from ops.quarantined_events order by quarantined_at, event_id limit $1', [
        limit,
      ]),
    )
    const columns = {
      event: field('event_id'),
      type: field('event_type'),
      order: field('order_id'),
      quarantined: field('quarantined_at'),
      error: field('error'),
    }
    console.log(json ? JSON.stringify(rows) : rowsTable(rows, columns, 'No event is quarantined.'))
  })

const releaseQuarantined = commandLine(
  'release',
  'Returns quarantined events to the dispatcher, which quarantines them again if it still cannot dispatch them.',
  'npm run ops -- quarantine release --all --reason "the new version knows the event type"',
)
  .addOption(
    new Option('--id <ID>', 'event, or its order; may be repeated').argParser<string[] | undefined>(uuids),
  )
  .option('--all', 'all quarantined events')
  .addOption(limitOption)
  .addOption(requiredReasonOption)
  .addOption(actorOption)
  .addOption(jsonOption)
  .action(async ({ id, all = false, limit, json, ...operator }) => {
    if (all === (id !== undefined)) throw new ScriptError('either --id or --all is required')
    const events = await withDatabase(database =>
      database.transaction(tx => releaseEvents(tx, id ?? null, limit, operator)),
    )
    console.log(
      json ? JSON.stringify(events) : `${counted(events.length, 'event')} returned to the dispatcher.`,
    )
  })

export const quarantine = commandLine(
  'quarantine',
  'Lists or releases events that the dispatcher could not dispatch and has quarantined.',
  'npm run ops -- quarantine list',
)
  .addCommand(listQuarantined)
  .addCommand(releaseQuarantined)
