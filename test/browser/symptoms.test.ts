import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import pg from 'pg'
import type { Locator, Page } from 'playwright-core'
import { rebuildStats } from '../../src/analytics/rebuild-stats.ts'
import { entriesOf } from '../../src/console/browser/runbook.ts'
import type { Config } from '../../src/platform/config.ts'
import { migrate } from '../../src/processes/migrate.ts'
import type { Service } from '../../src/processes/service.ts'
import { ApiClient } from '../support/api-client.ts'
import { quiet } from '../support/log.ts'
import { asRole } from '../support/role-logins.ts'
import { skewClock } from '../support/skew-clock.ts'
import { startApi, startDispatcher, startWorker } from '../support/start-role.ts'
import { StreamClient } from '../support/stream-client.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'
import { describeInBrowser, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
/** The interval at which the console reads. */
const REFRESH_MS = 5_000
const RUNBOOK = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8')
const REASON = 'the cause is fixed'

interface Symptom {
  /** entry of the runbook */
  entry: string
  /** which of several causes, where the entry has several */
  cause?: string
  provoke: () => Promise<unknown>
  /** what the first screen then shows */
  shown: RegExp
  /** names of the links from the first screen to the place of the fix */
  clicks: readonly (string | RegExp)[]
  /** fixes the cause with what the page shows; afterwards the first screen has no problem */
  fix: (page: Page) => Promise<unknown>
}

describeInBrowser('the symptoms of the runbook in the console', () => {
  let opened: Awaited<ReturnType<typeof openTestDatabase>>
  let api: ApiClient
  let restaurant_id: string
  let menu_item_id: string
  let config: Config
  let receiver: Receiver
  const services: Partial<Record<'api' | 'dispatcher' | 'worker', Service>> = {}
  const pages = TestPages.register()

  before(async () => {
    receiver = await Receiver.start()
    opened = await openTestDatabase()
    config = {
      ...testConfig,
      OPERATIONS_DATABASE_URL: asRole('operations', opened.url),
      QUEUE_BACKLOG_COUNT: 3,
      STREAM_COUNT: 2,
      WEBHOOK_ALLOW_PRIVATE: true,
      DATABASE_TIMEOUT_MS: 60_000,
    }
    const [started] = await Promise.all([
      startApi(config, opened.url, quiet),
      start('dispatcher'),
      start('worker'),
    ])
    services.api = started
    api = new ApiClient(started.url)
    ;({ restaurant_id } = await api.addRestaurant())
    ;({ menu_item_id } = await api.addItem(restaurant_id, 1_000))
    await api.call('POST', '/api/v1/webhooks', { url: receiver.url, event_types: ['order.placed.v1'] })
  })
  after(async () => {
    for (const role of ['api', 'dispatcher', 'worker'] as const) await stop(role)
    await opened.close()
    await receiver.stop()
  })

  async function start(role: 'dispatcher' | 'worker'): Promise<void> {
    services[role] = await (role === 'worker' ? startWorker : startDispatcher)(config, opened.url, quiet)
  }
  async function stop(role: keyof typeof services): Promise<void> {
    await services[role]?.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    delete services[role]
  }
  const execute = (sql: string) => opened.database.execute(sql)
  const untilRow = (what: string, sql: string) =>
    until(what, async () => (await opened.database.query(sql)).length > 0)
  const place = async () => (await api.place(restaurant_id, [menu_item_id, 1])).order_id
  /** Places an order whose job waits. */
  async function placeWithoutWorker(): Promise<void> {
    await stop('worker')
    await place()
    await untilRow(
      'its job waits',
      `select from pgboss.job where name = 'inventory.deduct' and state = 'created'`,
    )
  }
  /** Makes events and jobs look older than a minute. */
  const age = () =>
    execute(
      `update outbox_events set created_at = now() - interval '2 minutes' where dispatched_at is null;
      update pgboss.job set start_after = now() - interval '2 minutes', created_on = now() - interval '2 minutes'
      where name ~ '^(order|inventory)\\.' and state < 'completed';
      update orders set placed_at = now() - interval '2 minutes' where status = 'PLACED'`,
    )
  /** Adds a trigger that runs before each insert into a table, until `remove` is called. */
  async function meddle(table: string, body: string): Promise<void> {
    await execute(
      `create function meddle() returns trigger language plpgsql as $$ begin ${body} return new; end $$;
      create trigger meddle before insert on ${table} for each row execute function meddle()`,
    )
  }
  const stopMeddling = () => execute('drop function meddle() cascade')

  /** Reads the page again, as it does by itself, until it shows something. */
  async function untilShown(page: Page, locator: Locator): Promise<void> {
    let shown = ''
    await until(`the page shows ${String(locator)}`, async () => {
      if (await locator.first().isVisible()) return true
      shown = await page.locator('#content').innerText()
      const answered = page.waitForResponse(/ops\/overview/, { timeout: TIMEOUT_MS })
      await page.clock.fastForward(REFRESH_MS)
      await answered
      return false
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}, but: ${shown.slice(0, 1_000)}`)
    })
  }

  /** Sends the dialog of a change. */
  async function change(page: Page, button: RegExp): Promise<void> {
    await page.getByRole('button', { name: button }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill(REASON)
    await dialog.getByLabel('Your name').fill('ada')
    await dialog.getByRole('button').first().click()
  }
  const expectAudit = (action: string) =>
    untilRow(
      `the audit has ${action}`,
      `select from ops.audit where action = '${action}' and actor = 'ada' and reason = '${REASON}'`,
    )

  /** Returns the command on the page, with its words replaced. */
  async function commandOn(page: Page, command: RegExp, words: Record<string, string> = {}): Promise<string> {
    const found = page.locator('.copy code', { hasText: command }).first()
    const written = (await found.textContent()) ?? ''
    return written.replaceAll(/\$([A-Z]+)/g, (_, name: string) => words[name] ?? `$${name}`)
  }
  /** Runs the SQL of a command on the page. */
  async function runSql(page: Page, ...command: [RegExp, Record<string, string>?]): Promise<unknown[]> {
    const [, sql = ''] = /^npm run sql -- "(.*)"$/.exec(await commandOn(page, ...command)) ?? []
    expect(sql).not.to.equal('')
    const client = new pg.Client({ connectionString: opened.url })
    await client.connect()
    const result = await client.query(sql)
    await client.end()
    return result.rows
  }
  /** Runs a command on the page in a shell. */
  async function runShell(page: Page, command: RegExp): Promise<string> {
    const line = await commandOn(page, command)
    const env = { PATH: process.env['PATH'] ?? '', API: `${api.baseUrl}/api/v1`, TOKEN: 'none' }
    return await text(spawn('sh', ['-c', line], { env, stdio: ['ignore', 'pipe', 'ignore'] }).stdout)
  }
  /** Runs SQL on the server while the database accepts no connections of its own. */
  async function administer(sql: string): Promise<void> {
    const name = new URL(opened.url).pathname.slice(1)
    const client = new pg.Client({ connectionString: opened.url.replace(/[^/]+$/, 'postgres') })
    await client.connect()
    await client.query(sql.replaceAll('$NAME', name))
    // Processes connect again, with the new settings.
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    await client.end()
  }
  let holder: pg.Client
  let placing: Promise<string>
  let restored = () => undefined as void
  const readers: StreamClient[] = []

  const symptoms: Symptom[] = [
    {
      entry: 'orders-stay-placed',
      cause: 'no worker',
      provoke: async () => {
        await placeWithoutWorker()
        await age()
      },
      shown: /^1 order is stuck$/,
      clicks: ['no worker is running'],
      fix: async page => {
        expect(await commandOn(page, /worker/)).to.equal('npm run worker')
        await start('worker')
      },
    },
    {
      entry: 'orders-stay-placed',
      cause: 'a job that fails',
      provoke: async () => {
        await meddle('stock_movements', `raise 'the kitchen burns';`)
        await place()
        await untilRow(
          'its job failed',
          `select from pgboss.job where name = 'inventory.deduct' and state = 'retry'`,
        )
        await execute(
          `update pgboss.job set created_on = now() - interval '2 minutes', start_after = now() + interval '9 minutes'
          where name = 'inventory.deduct' and state = 'retry'`,
        )
      },
      shown: /^1 order is stuck$/,
      clicks: ['1 order is stuck', 'inventory.deduct'],
      fix: async page => {
        await stopMeddling()
        await page.locator('.rows', { hasText: 'the kitchen burns' }).first().waitFor()
        await change(page, /^Retry the job/)
        await expectAudit('retry')
      },
    },
    {
      entry: 'a-queue-is-paused',
      provoke: () =>
        execute(`insert into paused_queues (queue, actor, reason) values ('order.reject', 'ada', 'x')`),
      shown: /^paused queues: order.reject$/,
      clicks: ['paused queues: order.reject'],
      fix: async page => {
        await change(page, /^Resume order.reject/)
        await expectAudit('resume')
      },
    },
    {
      entry: 'stock-looks-wrong',
      provoke: () => execute('update menu_items set available_qty = available_qty + 1'),
      shown: /^1 item differs from its ledger$/,
      clicks: [/^Runbook ?: 1 item differs/],
      fix: async page => {
        const [row] = await runSql(page, /check_stock_is_its_ledger/)
        const { menu_item_id: ITEM } = row as { menu_item_id: string }
        await runSql(page, /set available_qty = \(select sum\(delta\)/, { ITEM, REASON })
      },
    },
    {
      entry: 'a-dead-letter-appeared',
      provoke: async () => {
        await execute(
          `create function once() returns trigger language plpgsql as $$ begin new.retry_limit := 0; return new; end $$;
          create trigger once before insert on pgboss.job for each row execute function once()`,
        )
        await meddle('stock_movements', `raise 'the kitchen burns';`)
        await place()
        await untilRow('it is a dead letter', `select from dead_letters where fate = 'OPEN'`)
      },
      shown: /^1 dead letter is open$/,
      clicks: ['1 dead letter is open'],
      fix: async page => {
        await stopMeddling()
        await execute('drop function once() cascade')
        await change(page, /^Redrive all/)
        await page.locator('[data-status="DONE"]', { hasText: '1 of 1: 1 done' }).waitFor()
        await expectAudit('redrive')
      },
    },
    {
      entry: 'a-webhook-fails-or-is-disabled',
      cause: 'failing',
      provoke: async () => {
        receiver.answer = () => 503
        await place()
        await untilRow('it fails', 'select from webhooks where failing_since is not null')
        await execute(`update webhooks set failing_since = now() - interval '1 hour'`)
      },
      shown: /^1 webhook has been failing for more than 10 minutes$/,
      clicks: [/^1 webhook has been failing/],
      fix: async page => {
        await page.locator('.answers', { hasText: '503' }).waitFor()
        receiver.answer = () => 204
        await change(page, /^Send a test event/)
      },
    },
    {
      entry: 'a-webhook-fails-or-is-disabled',
      cause: 'disabled',
      provoke: () =>
        execute(`update webhooks set status = 'DISABLED', disabled_reason = 'FAILING', disabled_at = now()`),
      shown: /^1 webhook was disabled in the last day/,
      clicks: [/^1 webhook was disabled/],
      fix: async page => expect(await runShell(page, /"ACTIVE"/)).to.include('"status":"ACTIVE"'),
    },
    {
      entry: 'a-webhook-fails-or-is-disabled',
      cause: 'paused',
      provoke: () => execute('update webhooks set paused_at = now()'),
      shown: /^1 webhook is paused$/,
      clicks: ['1 webhook is paused'],
      fix: async page => {
        await change(page, /^Resume 127/)
        await expectAudit('resume webhook')
      },
    },
    {
      entry: 'the-outbox-grows',
      provoke: async () => {
        await stop('dispatcher')
        await place()
        await age()
      },
      shown: /^no dispatcher is running$/,
      clicks: ['no dispatcher is running'],
      fix: async page => {
        expect(await commandOn(page, /dispatcher/)).to.equal('npm run dispatcher')
        await start('dispatcher')
      },
    },
    {
      entry: 'events-are-held',
      provoke: async () => {
        await stop('worker')
        for (const _ of Array.from({ length: 5 })) await place()
      },
      shown: /^full queues, whose events wait in the outbox: inventory.deduct$/,
      clicks: [/^full queues/],
      fix: async page => {
        await page.locator('#queues ~ .rows li', { hasText: 'inventory.deduct' }).first().waitFor()
        expect(await commandOn(page, /worker/)).to.equal('npm run worker')
        await start('worker')
      },
    },
    {
      entry: 'events-are-quarantined',
      provoke: async () => {
        await meddle(
          'outbox_events',
          `if new.type = 'order.placed.v1' then new.type := 'order.placed.v9'; end if;`,
        )
        await place()
        await untilRow('it is quarantined', 'select from outbox_events where quarantined_at is not null')
      },
      shown: /^1 event is quarantined$/,
      clicks: ['1 event is quarantined'],
      fix: async page => {
        await stopMeddling()
        await page.locator('.rows', { hasText: 'unknown event type order.placed.v9' }).waitFor()
        // The version that knows the event.
        await execute(`update outbox_events set type = 'order.placed.v1' where type = 'order.placed.v9'`)
        await change(page, /^Release all/)
        await expectAudit('release')
      },
    },
    {
      entry: 'statistics-are-behind-or-wrong',
      provoke: async () => {
        const order = await place()
        await api.untilStatus(order, 'PREPARING')
        await stop('worker')
        await api.cancel(order)
        const cancelled = `type = 'order.cancelled.v1' and dispatched_at is not null`
        await untilRow('it is dispatched', `select from outbox_events where ${cancelled}`)
        await execute(`update outbox_events set payload = payload || '{"at":"?"}' where ${cancelled}`)
        await start('worker')
        await untilRow('they are set aside', 'select from ops.failed_statistics')
      },
      shown: /^the statistics of 1 restaurant are set aside$/,
      clicks: [/^Runbook ?: the statistics of 1 restaurant/],
      fix: async page => {
        expect(await commandOn(page, /stats/)).to.equal('npm run stats:rebuild')
        await opened.database.transaction(rebuildStats)
      },
    },
    {
      entry: 'the-primary-is-gone',
      provoke: () => administer('alter database $NAME set default_transaction_read_only = on'),
      shown: /^this API: database: .*it is read-only \(25006\)$/,
      clicks: [/^this API: database/],
      fix: async page => {
        await page.getByText('Promote the standby').waitFor()
        expect(await runShell(page, /readyz/)).to.include('25006')
        await administer('alter database $NAME reset default_transaction_read_only')
      },
    },
    {
      entry: 'the-database-does-not-answer',
      provoke: () => administer('alter database $NAME with allow_connections false'),
      shown: /^Runbook ?: the database does not answer/,
      clicks: [/^Runbook ?: the database does not answer/],
      fix: async page => {
        expect(await runShell(page, /readyz/)).to.match(/not-ready.*it cannot be reached/)
        await administer('alter database $NAME with allow_connections true')
      },
    },
    {
      entry: 'the-api-is-slow-or-answers-with-errors',
      provoke: async () => {
        holder = new pg.Client({ connectionString: opened.url, application_name: 'somebody' })
        holder.on('error', () => undefined)
        await holder.connect()
        await holder.query('begin; select from menu_items for update')
        placing = place()
        placing.catch(() => undefined)
      },
      shown: /^1 session waits for a lock for more than 2 s$/,
      clicks: [/^1 session waits/],
      fix: async page => {
        const rows = await runSql(page, /pg_blocking_pids/)
        const { pid } = (rows as { pid: number; application_name: string }[]).find(
          row => row.application_name === 'somebody',
        ) ?? { pid: 0 }
        await runSql(page, /pg_terminate_backend/, { PID: String(pid) })
        await api.untilStatus(await placing, 'PREPARING')
      },
    },
    {
      entry: 'a-machine-has-a-wrong-clock',
      provoke: async () => (restored = skewClock(600_000)),
      shown: /^this API: clock: is (600|599)\.\d s ahead of the clock of the database$/,
      clicks: [/^this API: clock/],
      fix: async page => {
        await page.getByText('Make the machine synchronise its clock').waitFor()
        expect(await runShell(page, /readyz/)).to.include('ahead of the clock')
        restored()
      },
    },
    {
      entry: 'rows-were-deleted-by-mistake',
      provoke: async () => {
        const order = await place()
        await api.untilStatus(order, 'PREPARING')
        await execute(
          `create table lost as select * from stock_movements where order_id = '${order}';
          delete from stock_movements where order_id = '${order}'`,
        )
      },
      shown: /^1 item differs from its ledger$/,
      clicks: ['Runbook', 'Rows were deleted by mistake'],
      fix: async page => {
        expect(await commandOn(page, /verify/)).to.equal('npm run verify')
        await page.getByText('Copy the lost rows from there').waitFor()
        await execute('insert into stock_movements select * from lost; drop table lost')
      },
    },
    {
      entry: 'a-new-process-stays-unready',
      provoke: () => execute('update schema_migrations set completed_at = null'),
      shown: /^this API: migrations: is being migrated/,
      clicks: [/^this API: migrations/],
      fix: async page => {
        expect(await commandOn(page, /migrate/)).to.equal('npm run migrate')
        await migrate(opened.url, quiet)
      },
    },
    {
      entry: 'event-streams-are-late,-refused-or-broken-off',
      provoke: async () => {
        const url = `${api.baseUrl}/api/v1/restaurants/${restaurant_id}/stream`
        for (const _ of Array.from({ length: 2 })) readers.push(await StreamClient.open(url))
        expect(await StreamClient.open(url).catch(String)).to.include('503')
      },
      shown: /^all event streams of this API are in use, and more are refused$/,
      clicks: [/^all event streams/],
      fix: async page => {
        await page.getByText('raise STREAM_COUNT').waitFor()
        expect(await runShell(page, /metrics/)).to.match(
          /^comanda_streams_max_open\{audience="callers"\} 2$/m,
        )
        await stop('api')
        config = { ...config, STREAM_COUNT: 10, PORT: Number(new URL(api.baseUrl).port) }
        services.api = await startApi(config, opened.url, quiet)
        for (const reader of readers) reader.close()
      },
    },
    {
      entry: 'the-database-was-restored-from-a-backup',
      provoke: async () => {
        await placeWithoutWorker()
        // The dump excluded the schema pgboss.
        await execute(`delete from pgboss.job where name = 'inventory.deduct' and state = 'created'`)
        await age()
      },
      shown: /^1 order is stuck$/,
      clicks: ['Runbook', /^The database was restored/],
      fix: async page => {
        expect(await runSql(page, /select type, queue, count/)).to.have.length(1)
        await runSql(page, /update outbox_events set dispatched_at = null/)
        await start('worker')
      },
    },
  ]

  it('are all provoked here, and each is in the table of pages, commands and SQL', () => {
    const entries = entriesOf(RUNBOOK)
    expect([...new Set(symptoms.map(({ entry }) => entry))]).to.have.members(
      entries.map(({ anchor }) => anchor),
    )
    const rows = [...RUNBOOK.matchAll(/^\| \[(.+?)\]\(#.+?\) \| .+ \|$/gm)].map(([, title]) => title)
    expect(rows).to.have.members(entries.map(({ title }) => title))
  })

  for (const { entry, cause, provoke, shown, clicks, fix } of symptoms) {
    const name = cause === undefined ? entry : `${entry}, ${cause}`
    it(`are found from the first screen with at most two clicks, and fixed there: ${name}`, async () => {
      expect(clicks.length).to.be.within(1, 2)
      const first = `${api.baseUrl}/console`
      const page = await pages.open(first, {}, opening => opening.clock.install())
      page.setDefaultTimeout(TIMEOUT_MS)
      const isClean = page.getByRole('heading', { name: 'No problems' })
      await untilShown(page, isClean)
      await provoke()
      await untilShown(page, page.getByRole('link', { name: shown }))
      for (const link of clicks)
        await page
          .getByRole('link', typeof link === 'string' ? { name: link, exact: true } : { name: link })
          .first()
          .click()
      await fix(page)
      if (await page.getByRole('dialog').isVisible()) await page.keyboard.press('Escape')
      await page.getByRole('link', { name: 'Overview', exact: true }).click()
      await untilShown(page, isClean)
    })
  }
})
