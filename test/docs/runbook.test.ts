import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import pg from 'pg'
import { changeStock } from '../../src/inventory/change-stock.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { pauseQueue, workersFollow } from '../../src/ops/actions/pause-queue.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import type { Service } from '../../src/processes/service.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { newSecret } from '../../src/webhooks/webhook-secret.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { addMenu, cancel, type Menu, place, statusOf, stockOf } from '../support/pipeline.ts'
import { withSkewedClock } from '../support/skew-clock.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { StreamClient } from '../support/stream-client.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const runbook = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8').split('\n## Runbook\n')[1] ?? ''

/** Returns the commands of an entry, in order. */
function commandsOf(symptom: string): string[] {
  const section = runbook.split(`\n### ${symptom}\n`)[1]?.split('\n### ')[0] ?? ''
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'))
}

describe('the runbook in docs/operations.md', () => {
  let system: TestSystem
  let menu: Menu
  const services: Service[] = []
  const receivers: Receiver[] = []

  async function startReceiver(): Promise<Receiver> {
    const receiver = await Receiver.start()
    receivers.push(receiver)
    return receiver
  }

  async function begin(...roles: Parameters<typeof startSystem>[0] & object): Promise<void> {
    system = await startSystem(roles)
    menu = await addMenu(system.database, 10)
  }
  async function start(role: typeof startWorker): Promise<void> {
    services.push(await role(testConfig, system.url, quiet))
  }
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    for (const receiver of receivers.splice(0)) await receiver.stop()
    await system.stop()
  })

  /** Runs a command of the runbook. @returns exit status and output */
  async function attempt(
    command: string,
    words: Record<string, string> = {},
  ): Promise<[number | null, string]> {
    const script = command
      .replaceAll(/\$([A-Z]+)/g, (_, name: string) => words[name] ?? name)
      .replace('npm run migrate', `${process.execPath} src/main.ts migrate`)
      .replace('npm run stats:rebuild', `${process.execPath} scripts/rebuild-stats.ts`)
      .replace(/npm run (\w+)( --)?/, `${process.execPath} scripts/$1.ts`)
    const child = spawn('sh', ['-c', `${script} 2>&1`], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: system.url, LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const status = new Promise<number | null>(done => child.once('close', done))
    return await Promise.all([status, text(child.stdout)])
  }
  async function run(command: string | undefined, words: Record<string, string> = {}): Promise<string> {
    const [status, output] = await attempt(command ?? 'exit 1', words)
    expect(status, `${command}\n${output}`).to.equal(0)
    return output
  }
  const apiUrl = () => `${system.api.baseUrl}/api/v1`
  const prepared = (order: string) =>
    until('it is prepared', async () => (await statusOf(system.database, order)) === 'PREPARING')
  /** Ages the jobs of orders by two minutes, but no scheduled jobs. */
  const makeOld = () =>
    system.database.execute(
      `update pgboss.job set start_after = now() - interval '2 minutes', created_on = now() - interval '2 minutes'
      where name ~ '^(order|inventory)\\.'`,
    )
  const REASON = 'the cause is fixed'

  it('processes orders that stay PLACED without a dispatcher, in a paused queue, and behind a failing job', async () => {
    const [stuck, workers, timeline, job, retry, byKey, ...more] = commandsOf('Orders stay PLACED')
    const [audit, resume, ...evenMore] = commandsOf('A queue is paused')
    expect([...more, ...evenMore]).to.deep.equal([])
    await begin('worker')
    const { database } = system
    await database.transaction(tx =>
      pauseQueue(tx, 'inventory.deduct', { actor: 'ada', reason: 'stocktaking' }),
    )
    await until('the worker follows', () => workersFollow(database, 'inventory.deduct', true))
    const order = await place(database, menu)
    await database.execute(`update outbox_events set created_at = now() - interval '2 minutes'`)
    expect(await run(stuck)).to.contain('NOT_DISPATCHED')
    expect(await run(workers))
      .to.contain('worker')
      .and.not.contain('dispatcher')
    await start(startDispatcher)

    await until('its job is there', async () => (await makeOld()) === 1)
    expect(await run(stuck)).to.match(/PAUSED.*inventory\.deduct/)
    expect(await run(audit))
      .to.contain('ada')
      .and.contain('stocktaking')

    await database.execute(
      `update pgboss.job set state = 'retry', retry_count = 4, start_after = now() + interval '9 minutes',
        output = '{"message":"the lock is held"}'
      where name = 'inventory.deduct'`,
    )
    await run(resume, { QUEUE: 'inventory.deduct', REASON })
    expect(await run(stuck)).to.match(/RETRYING.*the lock is held/)
    expect(await run(timeline, { ORDER: order })).to.contain('Stuck: RETRYING')
    const named = await run(job, { ORDER: order })
    const [JOB = ''] = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/.exec(named) ?? []
    expect(named).to.contain('the lock is held')
    // The first job of an event has its id.
    expect(await run(byKey, { EVENT: JOB })).to.match(/inventory\.deduct.*retry/)
    await run(retry, { JOB, REASON })
    await prepared(order)
    expect(await run(stuck)).not.to.contain('RETRYING')
  })

  it('corrects stock that was changed without a movement', async () => {
    const [check, ledger, adjustments, mend, verify, ...more] = commandsOf('Stock looks wrong')
    expect(more).to.deep.equal([])
    await begin('dispatcher', 'worker')
    await prepared(await place(system.database, menu, 2))
    const ITEM = menu.menu_item_ids[0] ?? ''
    await system.database.execute('update menu_items set available_qty = 5')
    await system.database.transaction(tx =>
      changeStock(tx, { kind: 'ADJUST', menu_item_id: ITEM, quantity: -1, reason_code: 'THEFT', trace: {} }),
    )
    expect(await run(check)).to.contain(ITEM)
    expect(await run(adjustments, { ITEM })).to.match(/-1.*THEFT/)
    expect(await run(ledger, { ITEM })).to.match(/DEDUCT.*-2/)
    expect((await attempt(verify ?? ''))[0]).to.equal(1)
    await run(mend, { ITEM, REASON })
    expect(await stockOf(system.database, menu)).to.deep.equal([7])
    expect(await run(verify)).to.contain('All invariants hold')
    const audits = await system.database.query('select action, reason from ops.audit')
    expect(audits).to.deep.equal([{ action: 'correct stock', reason: REASON }])
  })

  it('redrives a dead letter after its cause is fixed, and closes another one', async () => {
    const [letters, causes, preview, redrive, discard, ...more] = commandsOf('A dead letter appeared')
    expect(more).to.deep.equal([])
    await begin('dispatcher', 'worker')
    const { database } = system
    await database.execute(`update pgboss.queue set retry_limit = 0 where name = 'inventory.deduct'`)
    await database.execute(
      `create function burn() returns trigger language plpgsql as $$ begin raise 'the kitchen burns'; end $$`,
    )
    await database.execute('create trigger fire before insert on stock_movements execute function burn()')
    const lost = async () => {
      const order = await place(database, menu)
      await until('it is a dead letter', async () => {
        const rows = await database.query('select 1 from ops.dead_letters where order_id = $1', [order])
        return rows.length === 1
      })
      return order
    }
    // The worker's own queue cache may still have the retries for it; so may the dispatcher's.
    await database.execute(
      `create function once() returns trigger language plpgsql as $$ begin new.retry_limit := 0; return new; end $$`,
    )
    await database.execute(
      'create trigger once before insert on pgboss.job for each row execute function once()',
    )
    const order = await lost()
    expect(await run(letters)).to.contain(order)
    const ERROR = 'the kitchen burns'
    expect(await run(causes)).to.contain(ERROR)
    await database.execute('drop trigger fire on stock_movements')
    expect(await run(preview, { ERROR })).to.contain(order)
    expect(await run(redrive, { ERROR, REASON })).to.contain('1 dead letter redriven')
    await prepared(order)

    await database.execute('create trigger fire before insert on stock_movements execute function burn()')
    const [letter] = await database.query<{ job_id: string }>(
      'select job_id from ops.dead_letters where order_id = $1',
      [await lost()],
    )
    expect(await run(discard, { JOB: letter?.job_id ?? '', REASON })).to.contain('1 dead letter discarded')
    expect(await run(letters)).to.contain('No open dead letter')
  })

  it('redelivers dead deliveries after the endpoint of a webhook works again', async () => {
    const [failing, queues, workers, preview, redrive, ...more] = commandsOf('A webhook fails or is disabled')
    expect(more).to.deep.equal([])
    system = await startSystem(['api', 'dispatcher', 'worker'], quiet, {
      WEBHOOK_ALLOW_PRIVATE: true,
      WEBHOOK_RETRY_SECONDS: [0.05],
    })
    menu = await addMenu(system.database, 10)
    const { database } = system
    const receiver = await startReceiver()
    receiver.answer = () => 503
    const added = { url: receiver.url, event_types: ['order.placed.v1'] }
    expect((await system.api.call('POST', '/api/v1/webhooks', added)).status).to.equal(201)
    const order = await place(database, menu)
    await until('it was tried', () => receiver.received.length > 0)
    expect(await run(failing)).to.contain('503')
    expect(await run(queues)).to.contain('downstream.deliver')
    expect(await run(workers)).to.contain('LIVE')
    // The next attempt is the last.
    await database.execute(
      `update webhook_deliveries set tries = 9 where state = 'PENDING' and (leased_until is null or leased_until < now())`,
    )
    await until('it is a dead letter', async () => {
      const rows = await database.query('select 1 from ops.dead_letters where order_id = $1', [order])
      return rows.length === 1
    })
    receiver.answer = () => 204
    const ERROR = 'the receiver answered 503'
    expect(await run(preview, { ERROR })).to.contain(order)
    const before = receiver.received.length
    expect(await run(redrive, { ERROR, REASON })).to.contain('1 dead letter redriven')
    await until('it has come', () => receiver.received.length === before + 1)
    expect(new Set(receiver.received.map(({ id }) => id)).size).to.equal(1)
    await until('the webhook is well', async () => {
      const rows = await database.query(
        'select 1 from ops.webhooks where failing_since is null and pending = 0',
      )
      return rows.length === 1
    })
    await expectInvariants(database)
  })

  it('empties an outbox that grew without a dispatcher, and releases a quarantined event', async () => {
    const [outbox, dispatchers, ...more] = commandsOf('The outbox grows')
    const [list, release, ...evenMore] = commandsOf('Events are quarantined')
    const [held, ...yetMore] = commandsOf('Events are held')
    expect([...more, ...evenMore, ...yetMore]).to.deep.equal([])
    await begin('worker')
    const { database } = system
    const order = await place(database, menu)
    const odd = await place(database, menu)
    await database.execute(`update outbox_events set type = 'order.placed.v9' where order_id = $1`, [odd])
    expect(await run(outbox)).to.match(/pending[^]*│ +2 │/)
    expect(await run(dispatchers)).not.to.contain('LIVE')
    await start(startDispatcher)
    expect(await run(dispatchers)).to.contain('LIVE')
    await prepared(order)
    expect(await run(list)).to.contain('unknown event type order.placed.v9')
    // The version that knows the event.
    await database.execute(`update outbox_events set type = 'order.placed.v1' where order_id = $1`, [odd])
    await run(release, { REASON })
    await prepared(odd)
    expect(await run(list)).to.contain('No event is quarantined')
    await database.execute(`insert into held_queues (queue, counted_at) values ('order.prepare', now())`)
    expect(await run(held)).to.contain('order.prepare')
  })

  it('brings statistics up to date that had no worker, and rebuilds statistics that were changed by hand', async () => {
    const [projections, workers, failed, check, rebuild, verify, ...more] = commandsOf(
      'Statistics are behind or wrong',
    )
    expect(more).to.deep.equal([])
    await begin('dispatcher')
    const { database } = system
    const order = await place(database, menu)
    expect(await run(projections)).to.match(/pending[^]*│ +1 │/)
    const other = await addMenu(database, 10)
    await cancel(database, await place(database, other))
    await database.execute(
      `update outbox_events set payload = payload || '{"at":"?"}' where type = 'order.cancelled.v1'`,
    )
    expect(await run(workers)).not.to.contain('LIVE')
    await start(startWorker)
    expect(await run(workers)).to.contain('LIVE')
    await prepared(order)
    await until(
      'the statistics have it',
      async () => (await database.query('select from restaurant_quarter_hours')).length > 0,
    )
    expect(await run(failed)).to.contain('invalid input syntax')
    expect(await run(check)).not.to.contain('order_count')
    await database.execute('update restaurant_quarter_hours set order_count = 7')
    expect(await run(check)).to.contain('order_count')
    expect(await run(rebuild)).to.contain('quarter hours of statistics')
    expect(await run(verify)).to.contain('All invariants hold')
  })

  it('shows why the database does not answer, and that the system recovers by itself', async () => {
    const commands = commandsOf('The database does not answer')
    const [readyz, why, status, verify, ...more] = commands
    expect(more).to.deep.equal([])
    expect(commandsOf('The primary is gone')).to.deep.equal(commands)
    await begin('api', 'dispatcher', 'worker')
    const API = apiUrl()
    const name = new URL(system.url).pathname.slice(1)
    const server = new pg.Client({ connectionString: system.url.replace(/[^/]+$/, 'postgres') })
    await server.connect()
    try {
      await server.query(`alter database ${name} with allow_connections false`)
      await server.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
      await until('a heartbeat of the API has failed', async () =>
        (await run(readyz, { API })).includes('"detail":"database: '),
      )
      expect((await attempt(why ?? ''))[1]).to.match(/cannot connect.*not currently accepting connections/)
    } finally {
      await server.query(`alter database ${name} with allow_connections true`)
      await server.end()
    }
    expect(await run(why)).to.contain('PostgreSQL')
    await until('the API is ready', async () => (await fetch(`${system.api.baseUrl}/readyz`)).status === 200)
    await prepared(await place(system.database, menu))
    expect(await run(status)).to.contain('inventory.deduct')
    expect(await run(verify)).to.contain('All invariants hold')
  })

  it('shows which migrations a process waits for, and runs them', async () => {
    const [look, migrate, ...more] = commandsOf('A new process stays unready')
    expect(more).to.deep.equal([])
    await begin('api')
    const words = { API: apiUrl() }
    await system.database.execute('update schema_migrations set completed_at = null')
    expect(await run(look, words)).to.contain('"migrations":"is being migrated: ')
    await run(migrate)
    expect(await run(look, words)).to.contain('"migrations":"ok"')
  })

  it('ends the session that blocks the API with a lock', async () => {
    const [waits, end, ...more] = commandsOf('The API is slow or answers with errors')
    expect(more).to.deep.equal([])
    system = await startSystem(['api'], quiet, { DATABASE_TIMEOUT_MS: 60_000 })
    menu = await addMenu(system.database, 10)
    const { restaurant_id, menu_item_ids } = menu
    const holder = new pg.Client({ connectionString: system.url, application_name: 'somebody' })
    holder.on('error', () => undefined)
    await holder.connect()
    await holder.query('begin; lock table orders in access exclusive mode')
    const placed = system.api.place(restaurant_id, [menu_item_ids[0] ?? '', 1])
    const seen = await until('the API waits', async () => {
      const output = await run(waits)
      return /comanda-api/.test(output) && output
    })
    const [, PID = ''] = /(\d+) │ somebody +│ idle in transaction/.exec(seen) ?? []
    expect(seen).to.contain(`{${PID}}`)
    await run(end, { PID })
    expect((await placed).status).to.equal('PLACED')
    expect(await run(waits)).not.to.contain('somebody')
  })

  it('shows how far the clock of a machine is off', async () => {
    const [readyz, ...more] = commandsOf('A machine has a wrong clock')
    expect(more).to.deep.equal([])
    await begin('api')
    const API = apiUrl()
    expect(await run(readyz, { API })).to.contain('"clock":"ok"')
    await withSkewedClock(600_000, async () =>
      expect(await run(readyz, { API })).to.match(
        /"clock":"is 600\.\d s ahead of the clock of the database"/,
      ),
    )
  })

  it('finds full event streams, and ends the session that blocks their reads', async () => {
    const [metrics, holders, end, ...more] = commandsOf('Event streams are late, refused or broken off')
    expect(more).to.deep.equal([])
    const { log, lines } = recordingLog()
    system = await startSystem(['api'], log, { STREAM_COUNT: 2, DATABASE_TIMEOUT_MS: 5_000 })
    menu = await addMenu(system.database, 10)
    const API = apiUrl()
    const url = `${API}/restaurants/${menu.restaurant_id}/stream`
    const figure = async (name: string) =>
      Number(
        new RegExp(`^comanda_streams_${name}(?:\\{audience="callers"\\})? (\\d+)`, 'm').exec(
          await run(metrics, { API }),
        )?.[1] ?? 0,
      )
    const reading = await StreamClient.open(url)
    const other = await StreamClient.open(url)
    expect(await StreamClient.open(url).catch(String)).to.contain('503')
    expect([await figure('open'), await figure('max_open')]).to.deep.equal([2, 2])
    other.close()
    await until('there is a place again', async () => (await figure('open')) === 1)

    await reading.untilEvents(1)
    const holder = new pg.Client({ connectionString: system.url, application_name: 'somebody' })
    holder.on('error', () => undefined)
    await holder.connect()
    const order = await place(system.database, menu)
    await holder.query('begin; lock table outbox_events in access exclusive mode')
    await until('events cannot be read', async () => (await figure('read_failures_total')) > 0)
    expect(lines.map(({ msg }) => msg)).to.include('new events for streams could not be read; retrying')
    const PID = await until(
      'the reader waits',
      async () => /(\d+) │ somebody +│ idle in transaction/.exec(await run(holders))?.[1],
    )
    await run(end, { PID })
    await until('it goes on', () => reading.news.length > 0)
    expect(reading.news.map(({ data }) => data['subject'])).to.include(`orders/${order}`)
    reading.close()
  })

  it('restores the jobs of a backup without the schema pgboss', async () => {
    const [migrate, verify, missing, again, forget, rebuild, verifyAgain, ...more] = commandsOf(
      'The database was restored from a backup',
    )
    expect(more).to.deep.equal([])
    await begin()
    const { database } = system
    const boss = await startBoss(database, 'producer', 'test', quiet)
    const receiver = await startReceiver()
    await database.execute(
      `with added as (
        insert into webhooks (webhook_id, owner, url, event_types, type_patterns)
        values (uuidv7(), 'ada', $1, '{order.placed.v1}', '{order.placed.v1}')
        returning webhook_id
      )
      insert into webhook_secrets (webhook_id, secret) select webhook_id, $2 from added`,
      [receiver.url, newSecret()],
    )
    const order = await place(database, menu)
    await database.transaction(tx => dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 500))
    await boss.stop({ graceful: false })
    await database.execute('drop schema pgboss cascade')
    await run(migrate)
    const [status, broken] = await attempt(verify ?? '')
    expect(status).to.equal(1)
    expect(broken).to.match(/VIOLATED +ops\.check_events_accounted/)
    expect(await run(missing)).to.match(/order\.placed\.v1.*inventory\.deduct.*1/)
    await run(again)
    const foreign = `update outbox_events set xid = '1000000000'`
    await database.execute(foreign)
    await run(forget)
    expect(await database.query('select from outbox_events where xid is not null')).to.deep.equal([])
    expect(await run(rebuild)).to.contain('1 quarter hour of statistics')
    await start(startDispatcher)
    services.push(await startWorker({ ...testConfig, WEBHOOK_ALLOW_PRIVATE: true }, system.url, quiet))
    await prepared(order)
    await until('its webhook has heard of it', () => receiver.received.length === 1)
    await until('that is settled', async () => {
      const rows = await database.query('select from webhook_deliveries where settled_at is null')
      return rows.length === 0
    })
    expect(await run(verifyAgain)).to.contain('All invariants hold')
  })
})
