import { clearScreenDown, cursorTo } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Option } from '@commander-js/extra-typings'
import { readSnapshot } from '../../src/ops/read-snapshot.ts'
import { readStatus, type Status } from '../../src/ops/read-status.ts'
import { counted } from '../../src/platform/counted.ts'
import { commandLine, duration } from '../support/command-line.ts'
import { jsonOption, withDatabase } from './ops-database.ts'
import { field, type Row, rowsTable, seconds, shortTime } from './rows-table.ts'

/** The status as `--json` prints it. */
interface Printed {
  at: string
  /** conditions that need an operator, as text; empty when there are none */
  troubles: string[]
  outbox: Row
  queues: Row[]
  workers: Row[]
  stuck_orders: Row[]
}

export const status = commandLine(
  'status',
  'Shows everything on one screen: problems, the outbox, the queues and the processes.',
  'npm run ops -- status --watch',
)
  .option('--watch', 'redraw until Ctrl-C')
  .addOption(
    new Option('--every <TIME>', 'pause between two reads')
      .argParser(duration(100, 3_600_000))
      .default(2_000, '2s'),
  )
  .addOption(jsonOption)
  .action(async ({ watch, every, json }) => {
    await withDatabase(async database => {
      for (;;) {
        const current = printed(await readSnapshot(database, readStatus))
        if (watch && process.stdout.isTTY) cursorTo(process.stdout, 0, 0)
        console.log(json ? JSON.stringify(current) : describeStatus(current))
        if (!watch) return
        if (process.stdout.isTTY) clearScreenDown(process.stdout)
        await delay(every)
      }
    })
  })

function printed({ as_of, problems, outbox, queues, workers, stuck_orders }: Status): Printed {
  const troubles = problems.map(({ text, see }) => (see === null ? text : `${text}: ${see}`))
  return { at: as_of.toISOString(), troubles, outbox, queues, workers, stuck_orders }
}

function describeStatus({ at, troubles, outbox, queues, workers, stuck_orders }: Printed): string {
  const pending = Number(outbox['pending'])
  const oldest = outbox['oldest_pending_seconds']
  const well = troubles.length === 0
  return [
    `${at}  ${well ? 'no problems' : counted(troubles.length, 'problem')}`,
    ...troubles.map(trouble => `  ! ${trouble}`),
    '',
    `outbox  ${pending} pending${oldest === null ? '' : `, the oldest for ${shortTime(Number(oldest))}`}; in the last minute ${String(outbox['written_last_minute'])} written, ${String(outbox['dispatched_last_minute'])} dispatched; ${String(outbox['quarantined'])} quarantined`,
    '',
    queueTable(queues),
    '',
    rowsTable(
      workers,
      {
        process: field('role'),
        host: field('host'),
        pid: field('pid'),
        version: field('version'),
        state: field('state'),
        heartbeat: seconds('heartbeat_age_seconds'),
        'works on': field('working_on'),
      },
      'No process is running.',
    ),
    ...(stuck_orders.length > 0
      ? [
          '',
          rowsTable(
            stuck_orders,
            {
              'stuck orders': field('orders'),
              reason: field('reason'),
              queue: field('queue'),
              longest: seconds('longest_seconds'),
              'an error': field('an_error'),
            },
            '',
          ),
        ]
      : []),
  ].join('\n')
}

/** Returns a table with one line per queue. */
export function queueTable(queues: readonly Row[]): string {
  return rowsTable(
    queues,
    {
      queue: row => `${String(row['queue'])}${row['paused_at'] === null ? '' : ' (paused)'}`,
      ready: field('ready'),
      deferred: field('deferred'),
      retrying: field('retrying'),
      active: field('active'),
      failed: field('failed'),
      'done/min': field('done_last_minute'),
      oldest: seconds('oldest_ready_seconds'),
      'wait p95': seconds('wait_p95_seconds'),
      'run p95': seconds('run_p95_seconds'),
      'dead letters': field('dead_letters'),
    },
    'There are no queues: run `npm run migrate`.',
  )
}
