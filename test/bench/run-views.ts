import pg, { type Client } from 'pg'
import { pino } from 'pino'
import { commandLine, wholeNumber } from '../../scripts/support/command-line.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { Database } from '../../src/db/database.ts'
import { reconcileStock } from '../../src/ops/maintenance/reconcile-stock.ts'
import { views } from '../../src/ops/refresh-views.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { fillDeadLetters, fillTables, makeBacklog } from './fill-tables.ts'
import { fillWebhooks, makeDeliveryBacklog } from './fill-webhooks.ts'
import { timeAction, timeScreens } from './time-screens.ts'

/** Measures how long each view of `ops` and each request of the console take on full tables. */

const BOUND_MS = 50
const SCREEN_BOUND_MS = 300
const LATEST_JOBS = `where queue = 'inventory.deduct' order by queued_at desc limit 100`
const STATEMENT_TIMEOUT_MS = 120_000
const FULL_TABLES = [
  'orders',
  'outbox_events',
  'pgboss.job',
  'stock_movements',
  'webhooks',
  'webhook_deliveries',
  'webhook_attempts',
]

await runScript(async () => {
  const options = commandLine(
    'npm run bench:views --',
    `Fills a temporary database with orders, jobs, webhook deliveries and dead letters, and times every view of ops except ops.check_…, which read everything, every request of the console, and an action on 100,000 dead letters.\nExits with 1 when a view takes ${BOUND_MS} ms or more, or a request of the console more than ${SCREEN_BOUND_MS} ms.`,
    'npm run bench:views -- --orders 1000000',
  )
    .option(
      '--orders <N>',
      'number of orders; equally many deliveries and dead letters, and twice as many jobs',
      wholeNumber(5_000, 10_000_000),
      1_000_000,
    )
    .option('--rounds <N>', 'number of reads of each view', wholeNumber(1, 100), 5)
    .parse()
    .opts()
  const server = await PostgresServer.start({ fsync: 'off', max_wal_size: '8GB', shared_buffers: '1GB' })
  const client = new pg.Client({ connectionString: server.url })
  try {
    await server.migrate()
    await client.connect()
    console.error(`filling the tables with ${options.orders} orders`)
    await fillTables(client, options.orders)
    await fillWebhooks(client)
    await reconcile(server.url)
    console.error(`reading the views over ${await countRows(client)}`)
    const names = views.map(({ name }) => name).filter(name => !name.startsWith('check_'))
    const busy = await timeAll(client, names, options.rounds)
    await makeBacklog(client)
    await makeDeliveryBacklog(client)
    // The statistics also start from the first event.
    await client.query('update projection_cursors set next_xid = 0')
    const backlog = await timeAll(client, names, options.rounds)
    const rows = names.map((name, index) => [`ops.${name}`, shown(busy[index]), shown(backlog[index])])
    console.log(plainTable(['left', 'right', 'right'], ['median ms', 'done', 'backlog'], rows))
    const slow = names.filter((_, index) => Math.max(busy[index] ?? 0, backlog[index] ?? 0) >= BOUND_MS)
    if (slow.length > 0) console.error(`\nslower than ${BOUND_MS} ms: ${slow.join(', ')}`)
    console.error(`\nreading the screens of the console, with ${options.orders} more dead letters`)
    await fillDeadLetters(client, options.orders)
    const screens = await timeScreens(server.url, client, options.rounds)
    console.log(
      plainTable(
        ['left', 'right', 'left'],
        ['screen', 'median ms', ''],
        screens.map(({ name, ms }) => [name, ms.toFixed(1), ms > SCREEN_BOUND_MS ? 'too slow' : '']),
      ),
    )
    const { startSeconds, endSeconds, grownMb, result } = await timeAction(server.url)
    console.log(
      `\nan action: started in ${startSeconds.toFixed(1)} s, ended after ${endSeconds.toFixed(1)} s, ${grownMb.toFixed(0)} MB more memory: ${result}`,
    )
    const slowScreens = screens.filter(({ ms }) => ms > SCREEN_BOUND_MS)
    if (slowScreens.length > 0)
      console.error(`\n${slowScreens.length} screens take more than ${SCREEN_BOUND_MS} ms`)
    return slow.length + slowScreens.length > 0 ? 1 : 0
  } finally {
    await client.end()
    await server.destroy()
  }
})

async function countRows(client: Client): Promise<string> {
  const counts: string[] = []
  for (const table of FULL_TABLES) {
    const { rows } = await client.query<{ count: string }>(`select count(*) from ${table}`)
    counts.push(`${rows[0]?.count} ${table}`)
  }
  return counts.join(', ')
}

/** Runs the maintenance job that the schedule starts every few minutes. */
async function reconcile(url: string): Promise<void> {
  const log = pino({ level: 'silent' })
  const options = {
    url,
    applicationName: 'comanda bench',
    poolCount: 2,
    timeoutMs: STATEMENT_TIMEOUT_MS,
    log,
  }
  const database = await Database.open(options)
  await reconcileStock(database, log)
  await database.close()
}

async function timeAll(client: Client, names: readonly string[], rounds: number): Promise<number[]> {
  const medians: number[] = []
  for (const name of names) {
    const times: number[] = []
    for (let round = 0; round < rounds; round++) times.push(await timeOf(client, name))
    medians.push(times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN)
  }
  return medians
}

/**
 * Reads the whole view, except order_timeline, which is meant for one order: here, a delivered one,
 * and jobs, which is meant for the latest of a queue.
 */
async function timeOf(client: Client, name: string): Promise<number> {
  const { rows } = await client.query<{ order_id: string }>(
    'select order_id from orders order by order_id desc limit 1 offset 2100',
  )
  const [text, values] =
    name === 'order_timeline'
      ? ['select * from ops.order_timeline where order_id = $1', [rows[0]?.order_id]]
      : [`select * from ops.${name} ${name === 'jobs' ? LATEST_JOBS : ''}`, []]
  const started = performance.now()
  await client.query(text, values)
  return performance.now() - started
}

function shown(ms: number | undefined): string {
  return ms === undefined ? '' : ms.toFixed(1)
}
