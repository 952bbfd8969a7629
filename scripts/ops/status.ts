import { clearScreenDown, cursorTo } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Option } from '@commander-js/extra-typings'
import type { Database } from '../../src/db/database.ts'
import { commandLine, duration } from '../support/command-line.ts'
import { counted } from '../support/counted.ts'
import { jsonOption, withDatabase } from './ops-database.ts'
import { field, type Row, rowsTable, seconds, shortTime } from './rows-table.ts'

/**
 * Status reports a failing or late webhook after this time, which leaves room for a few retries.
 */
const LATE_MINUTES = 10

interface Status {
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
        const current = await readStatus(database)
        if (watch && process.stdout.isTTY) cursorTo(process.stdout, 0, 0)
        console.log(json ? JSON.stringify(current) : describeStatus(current))
        if (!watch) return
        if (process.stdout.isTTY) clearScreenDown(process.stdout)
        await delay(every)
      }
    })
  })

/** Reads everything in one snapshot, so that the parts agree. */
async function readStatus(database: Database): Promise<Status> {
  return await database.transaction(async tx => {
    await tx.execute('set transaction isolation level repeatable read read only')
    const queues = await tx.query<Row>('select * from ops.queues')
    const [outbox = {}] = await tx.query<Row>('select * from ops.outbox')
    const workers = await tx.query<Row>(
      `select * from ops.workers where state <> 'STOPPED' order by role, host, pid`,
    )
    const stuck = await tx.query<Row>(
      `select reason, coalesce(queue, '') as queue, count(*)::integer as orders, max(stuck_seconds) as longest_seconds,
        min(error) as an_error
      from ops.stuck_orders
      group by reason, queue
      order by reason, queue`,
    )
    const [stock = {}] = await tx.query<Row>(
      'select count(*)::integer as differing from ops.stock where on_hand <> ledger_qty',
    )
    const [webhooks = {}] = await tx.query<Row>(webhooksSql)
    const failed = await tx.query<Row>('select restaurant_id from ops.failed_statistics')
    const [gone = {}] = await tx.query<Row>(goneSql)
    const troubles = [
      ...findTroubles(queues, outbox, workers, stuck, Number(stock['differing'])),
      ...missingProcesses(gone),
      ...failingWebhooks(webhooks),
      ...failedStatistics(failed.length),
    ]
    return { at: new Date().toISOString(), troubles, outbox, queues, workers, stuck_orders: stuck }
  })
}

function findTroubles(
  queues: readonly Row[],
  outbox: Row,
  workers: readonly Row[],
  stuck: readonly Row[],
  differing: number,
): string[] {
  const sum = (rows: readonly Row[], name: string) =>
    rows.reduce((total, row) => total + Number(row[name]), 0)
  const live = (role: string) => workers.some(row => row['role'] === role && row['state'] === 'LIVE')
  const orders = sum(stuck, 'orders')
  const letters = sum(queues, 'dead_letters')
  const quarantined = Number(outbox['quarantined'])
  const paused = queues.filter(row => row['paused_at'] !== null).map(row => row['queue'])
  return [
    orders > 0 && `${counted(orders, 'order is', 'orders are')} stuck: select * from ops.stuck_orders`,
    letters > 0 &&
      `${counted(letters, 'dead letter is', 'dead letters are')} open: npm run ops -- dead-letters`,
    quarantined > 0 &&
      `${counted(quarantined, 'event is', 'events are')} quarantined: npm run ops -- quarantine list`,
    differing > 0 &&
      `${counted(differing, 'item differs from its', 'items differ from their')} ledger: select * from ops.check_stock_is_its_ledger`,
    paused.length > 0 && `paused queues: ${paused.join(', ')}`,
    !live('dispatcher') && 'no dispatcher is running',
    !live('worker') && 'no worker is running',
  ].filter(trouble => trouble !== false)
}

/** Reports processes that stopped without notice and were not replaced. */
function missingProcesses({ missing }: Row): string[] {
  const count = Number(missing)
  return count > 0
    ? [
        `${counted(count, 'process', 'processes')} sent no heartbeat for too long and ${count === 1 ? 'was' : 'were'} not replaced`,
      ]
    : []
}

/** Reports restaurants whose events cannot be added to the statistics. */
function failedStatistics(count: number): string[] {
  return count > 0
    ? [
        `the statistics of ${counted(count, 'restaurant', 'restaurants')} are set aside: select * from ops.failed_statistics`,
      ]
    : []
}

/** Reports webhooks whose deliveries fail or are late. */
function failingWebhooks({ failing, disabled, behind }: Row): string[] {
  return [
    Number(failing) > 0 &&
      `${counted(Number(failing), 'webhook has', 'webhooks have')} been failing for more than ${LATE_MINUTES} minutes`,
    Number(disabled) > 0 &&
      `${counted(Number(disabled), 'webhook was', 'webhooks were')} disabled in the last day after failures`,
    Number(behind) > 0 &&
      `${counted(Number(behind), 'webhook is', 'webhooks are')} more than ${LATE_MINUTES} minutes behind`,
  ].flatMap(trouble => (trouble === false ? [] : [`${trouble}: select * from ops.webhooks`]))
}

/**
 * Counts missing processes. A process that starts replaces one silent process of its role.
 * Therefore the nth latest silent process means that n processes stopped since its last heartbeat;
 * if fewer than n have started since then, the difference is missing. The maximum over all n
 * counts.
 */
const goneSql = `
  select coalesce(sum(missing), 0)::integer as missing
  from (
    select max(nth - started_since) as missing
    from (
      select s.role, row_number() over (partition by s.role order by s.heartbeat_at desc) as nth,
        (select count(*) from ops.workers as p where p.role = s.role and p.started_at > s.heartbeat_at) as started_since
      from ops.workers as s
      where s.state = 'SILENT'
    ) as silent
    group by role
  ) as by_role
  where missing > 0
`

const webhooksSql = `
  select count(*) filter (where status = 'ACTIVE' and failing_since < now() - interval '${LATE_MINUTES} minutes') as failing,
    count(*) filter (where disabled_reason <> 'BY_OWNER' and disabled_at > now() - interval '1 day') as disabled,
    count(*) filter (where status = 'ACTIVE' and failing_since is null and oldest_pending_seconds > ${LATE_MINUTES} * 60) as behind
  from ops.webhooks
`

function describeStatus({ at, troubles, outbox, queues, workers, stuck_orders }: Status): string {
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
