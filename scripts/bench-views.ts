import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg, { type Client } from 'pg'
import { pino } from 'pino'
import { Database } from '../src/db/database.ts'
import { startEmbedded } from '../src/db/embedded.ts'
import { reconcileStock } from '../src/ops/reconcile-stock.ts'
import { views } from '../src/ops/refresh-views.ts'
import { migrate } from '../src/processes/migrate.ts'
import { fillTables, makeBacklog } from './bench/fill-tables.ts'
import { plainTable } from './support/plain-table.ts'
import { readOptions, wholeNumber } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'

/** How long operators wait for each view of `ops` when the tables are full. */

const BOUND_MS = 50
const STATEMENT_TIMEOUT_MS = 120_000

const command = {
  name: 'npm run bench:views --',
  summary: `Fills a database of its own with orders and jobs and times every view of ops but the checks, which read everything. Exits with 1 when one takes ${BOUND_MS} ms or more.`,
  example: 'npm run bench:views -- --orders 1000000',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      orders: wholeNumber('how many orders; as many jobs', 1_000_000, 5_000, 10_000_000),
      rounds: wholeNumber('how often each view is read', 5, 1, 100),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const folder = mkdtempSync(join(tmpdir(), 'comanda-views-'))
  chmodSync(folder, 0o755)
  const embedded = await startEmbedded(folder, { fsync: 'off', max_wal_size: '8GB', shared_buffers: '1GB' })
  const client = new pg.Client({ connectionString: embedded.url })
  try {
    const log = pino({ level: 'warn' })
    await migrate(embedded.url, log)
    await client.connect()
    console.error(`filling the tables with ${options.orders} orders`)
    await fillTables(client, options.orders)
    await reconcile(embedded.url)
    console.error('reading the views')
    const names = views.map(({ name }) => name).filter(name => !name.startsWith('check_'))
    const busy = await timeAll(client, names, options.rounds)
    await makeBacklog(client)
    const backlog = await timeAll(client, names, options.rounds)
    const rows = names.map((name, index) => [`ops.${name}`, shown(busy[index]), shown(backlog[index])])
    console.log(plainTable(['left', 'right', 'right'], ['median ms', 'done', 'backlog'], rows))
    const slow = names.filter((_, index) => Math.max(busy[index] ?? 0, backlog[index] ?? 0) >= BOUND_MS)
    if (slow.length > 0) console.error(`\nslower than ${BOUND_MS} ms: ${slow.join(', ')}`)
    return slow.length > 0 ? 1 : 0
  } finally {
    await client.end()
    await embedded.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** What the schedule does every few minutes. */
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

/** The timeline is asked for one order, as its comment says; the rest whole. */
async function timeOf(client: Client, name: string): Promise<number> {
  const { rows } = await client.query<{ order_id: string }>(
    'select order_id from orders order by order_id desc limit 1 offset 700',
  )
  const [text, values] =
    name === 'order_timeline'
      ? ['select * from ops.order_timeline where order_id = $1', [rows[0]?.order_id]]
      : [`select * from ops.${name}`, []]
  const started = performance.now()
  await client.query(text, values)
  return performance.now() - started
}

function shown(ms: number | undefined): string {
  return ms === undefined ? '' : ms.toFixed(1)
}
