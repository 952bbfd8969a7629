import { expect } from 'chai'
import { pauseQueue, resumeQueue, workersFollow } from '../../src/ops/actions/pause-queue.ts'
import { cancelOrder } from '../../src/orders/cancel-order.ts'
import { newId } from '../../src/platform/ids.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu, place, statusOf } from '../support/pipeline.ts'
import { startWorker } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { type Ended, spawnScript } from './spawn-script.ts'

type Json = Record<string, unknown>

describe('npm run ops', () => {
  let system: TestSystem
  let menu: Menu

  before(async () => {
    system = await startSystem(['dispatcher', 'worker'])
    menu = await addMenu(system.database, 1_000)
  })
  after(() => system.stop())

  const ops = (...args: string[]): Promise<Ended> =>
    spawnScript('ops', args, { DATABASE_URL: system.url }).ended

  async function done(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await ops(...args)
    expect(status, stdout + stderr).to.equal(0)
    return stdout
  }
  const json = async <T = Json[]>(...args: string[]) => JSON.parse(await done(...args, '--json')) as T
  const audits = () =>
    system.database.query<{ action: string; actor: string; reason: string; details: Json }>(
      'select action, actor, reason, details from ops_audit order by audit_id',
    )
  const prepared = (order: string) =>
    until('it is prepared', async () => (await statusOf(system.database, order)) === 'PREPARING')

  const operator = { actor: 'test', reason: 'test' }
  async function hold(queue: string): Promise<void> {
    await system.database.transaction(tx => pauseQueue(tx, queue, operator))
    await until('it is paused', () => workersFollow(system.database, queue, true))
  }
  async function letGo(queue: string): Promise<void> {
    await system.database.transaction(tx => resumeQueue(tx, queue, operator))
  }

  it('lists its commands, and rejects an unknown one', async () => {
    expect(await done('--help')).to.match(/status \[options\] +Shows everything on one screen/)
    const { status, stderr } = await ops('cook')
    expect(status).to.equal(1)
    expect(stderr).to.match(/^comanda: unknown command 'cook'[^\n]*\n$/)
  })

  it('has a help for every command', async () => {
    const names = [...(await done('--help')).matchAll(/^ {2}(?!npm|help)([a-z-]+) /gm)].map(
      ([, name = '']) => name,
    )
    expect(names).to.include('quarantine').and.to.have.length(9)
    const helps = await Promise.all(names.map(name => done(name, '--help')))
    for (const [index, name] of names.entries())
      expect(helps[index]).to.contain(`Usage: npm run ops -- ${name} `)
  })

  it('status: shows the outbox, the queues and the processes on one screen', async () => {
    const screen = await done('status')
    expect(screen)
      .to.contain('no problems')
      .and.match(/outbox {2}0 pending/)
    expect(screen).to.match(/inventory\.deduct +0 +0/)
    expect(screen).to.match(/dispatcher +\S+ +\d+ +0\.1\.0 +LIVE/)
    const seen = await json<{ troubles: string[]; queues: Json[] }>('status')
    expect(seen.troubles).to.deep.equal([])
    expect(seen.queues[0]).to.have.property('oldest_ready_seconds')
  })

  it('status: reports webhooks that fail, were disabled or are late', async () => {
    await system.database.execute(
      `insert into webhooks (webhook_id, owner, url, event_types, type_patterns, status, failing_since, disabled_reason, disabled_at)
      select uuidv7(), 'ada', 'https://receiver.example/', '{*}', '{%}', status, failing_since, reason, disabled_at
      from (values ('ACTIVE', null, null, null), ('ACTIVE', now() - interval '1 hour', null, null),
        ('DISABLED', now(), 'GONE', now()), ('DISABLED', null, 'BY_OWNER', now())) as w (status, failing_since, reason, disabled_at)`,
    )
    await system.database.execute(
      `insert into webhook_deliveries (webhook_id, event_id, type, next_attempt_at, created_at)
      select webhook_id, uuidv7(), 'order.placed.v1', now() + interval '1 hour', now() - interval '1 hour'
      from webhooks where status = 'ACTIVE'`,
    )
    const { troubles } = await json<{ troubles: string[] }>('status')
    await system.database.execute('delete from webhook_deliveries')
    await system.database.execute('delete from webhooks')
    expect(troubles).to.deep.equal([
      '1 webhook has been failing for more than 10 minutes: select * from ops.webhooks',
      '1 webhook was disabled in the last day after failures: select * from ops.webhooks',
      '1 webhook is more than 10 minutes behind: select * from ops.webhooks',
    ])
  })

  it('status: reports restaurants whose statistics are set aside', async () => {
    await system.database.execute(
      `insert into failed_statistics (restaurant_id, as_of, error) values (uuidv7(), now(), 'test')`,
    )
    const { troubles } = await json<{ troubles: string[] }>('status')
    await system.database.execute('delete from failed_statistics')
    expect(troubles).to.deep.equal([
      'the statistics of 1 restaurant are set aside: select * from ops.failed_statistics',
    ])
  })

  it('status: reports silent processes until the same number has started in the same role', async () => {
    const { database } = system
    const fallSilent = (minutes: number) =>
      database.execute(
        `insert into process_heartbeats (process_id, role, host, pid, version, working_on, started_at, beat_at)
        select uuidv7(), role, 'gone', 1, '0.1.0', '[]', at - interval '20 seconds', at
        from (select now() - $1 * interval '1 minute' as at) as then_, unnest('{worker,dispatcher}'::text[]) as role`,
        [minutes],
      )
    const { troubles: before } = await json<{ troubles: string[] }>('status')
    // All of these stopped before the running processes started.
    await database.execute(`update process_heartbeats set started_at = now() - interval '10 minutes'`)
    for (const minutes of [30, 29, 28]) await fallSilent(minutes)
    const replaced = await json<{ troubles: string[]; workers: Json[] }>('status')
    for (const minutes of [5, 5]) await fallSilent(minutes)
    const missing = await json<{ troubles: string[] }>('status')
    await database.execute(`delete from process_heartbeats where host = 'gone'`)
    expect(before).to.deep.equal([])
    expect(replaced.troubles).to.deep.equal([])
    expect(replaced.workers.filter(({ state }) => state === 'SILENT')).to.have.length(6)
    expect(missing.troubles).to.deep.equal([
      '4 processes sent no heartbeat for too long and were not replaced',
    ])
  })

  it('status --watch: prints the status repeatedly', async () => {
    const { child, ended } = spawnScript('ops', ['status', '--watch', '--every', '100ms', '--json'], {
      DATABASE_URL: system.url,
    })
    let looks = 0
    child.stdout?.on('data', (chunk: Buffer) => (looks += chunk.toString().split('\n').length - 1))
    await until('it has looked three times', () => looks >= 3)
    child.kill('SIGTERM')
    await ended
  })

  it('order: shows the history of an order, and rejects an unknown or malformed id', async () => {
    const order = await place(system.database, menu)
    await prepared(order)
    expect(await done('order', order))
      .to.contain('PLACED → PREPARING')
      .and.contain('DEDUCT -1 Pizza')
    const { timeline } = await json<{ timeline: Json[] }>('order', order)
    expect(timeline.map(({ what }) => what)).to.include('inventory.deduct completed')
    const trace = { request_id: newId() }
    await system.database.transaction(tx => cancelOrder(tx, { order_id: order, reason: 'too late', trace }))
    const history = await done('order', order)
    expect(history).to.match(/^at +kind +what +by +reason +/)
    expect(history)
      .to.match(/PLACED → PREPARING +system$/m)
      .and.match(/PREPARING → CANCELLED +client +too late/)
    for (const [id, message] of [
      [newId(), 'no order has the id'],
      ['12', "'12' is invalid for argument 'id'. Expected an id (a UUID)."],
    ] as const) {
      const { status, stderr } = await ops('order', id)
      expect(status).to.equal(1)
      expect(stderr).to.contain(message)
    }
  })

  it('dead-letters: prints that there is no open dead letter, or none at all', async () => {
    expect(await done('dead-letters')).to.equal('No open dead letter.\n')
    expect(await done('dead-letters', '--all')).to.equal('No dead letter matches.\n')
  })

  it('queues: shows the rows of ops.queues', async () => {
    expect(await done('queues')).to.match(/order\.prepare +0/)
    expect((await json('queues')).map(({ queue }) => queue)).to.include('maintenance.reconcile-stock')
  })

  it('pause and resume: apply to every worker, also to one that starts later, and lose no job', async () => {
    const paused = await done(
      'pause',
      'inventory.deduct',
      '--reason',
      'the supplier counts',
      '--actor',
      'ada',
    )
    expect(paused).to.contain('inventory.deduct is paused; all workers follow')
    const order = await place(system.database, menu)
    await until('its job waits', async () => {
      const rows = await system.database.query(
        "select 1 from ops.queues where queue = 'inventory.deduct' and ready = 1",
      )
      return rows.length === 1
    })
    // A worker that starts now must find the queue paused.
    const another = await startWorker(testConfig, system.url, quiet)
    try {
      expect(await done('status')).to.contain('paused queues: inventory.deduct')
      expect((await json('queues')).find(({ queue }) => queue === 'inventory.deduct')).to.include({
        ready: 1,
      })
      expect(await statusOf(system.database, order)).to.equal('PLACED')
      expect(await done('pause', 'inventory.deduct', '--reason', 'again')).to.contain('was already paused')
      expect(await done('resume', 'inventory.deduct', '--reason', 'counted', '--actor', 'ada')).to.contain(
        'is resumed; all workers follow',
      )
      expect(await done('resume', 'inventory.deduct', '--reason', 'again')).to.contain('was not paused; all')
      await prepared(order)
    } finally {
      await another.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
    expect((await audits()).slice(-2)).to.deep.equal([
      {
        action: 'pause',
        actor: 'ada',
        reason: 'the supplier counts',
        details: { queue: 'inventory.deduct' },
      },
      { action: 'resume', actor: 'ada', reason: 'counted', details: { queue: 'inventory.deduct' } },
    ])
  })

  it('pause and resume: apply to webhook deliveries, also while there are none', async () => {
    const worksOn = async () => {
      const rows = await system.database.query<{ working_on: string }>(
        `select working_on from ops.workers where role = 'worker' and state = 'LIVE'`,
      )
      return rows.map(({ working_on }) => working_on.includes('downstream.deliver'))
    }
    expect(await worksOn()).to.deep.equal([true])
    const paused = await done('pause', 'downstream.deliver', '--reason', 'their network is down')
    expect(paused).to.contain('all workers follow')
    expect(await worksOn()).to.deep.equal([false])
    const resumed = await done('resume', 'downstream.deliver', '--reason', 'it is up')
    expect(resumed).to.contain('all workers follow')
    expect(await worksOn()).to.deep.equal([true])
  })

  it('changes nothing without a reason, and names the existing queues', async () => {
    const wrong = [
      [['pause', 'inventory.deduct'], "required option '--reason <TEXT>' not specified"],
      [['retry', newId()], "required option '--reason <TEXT>' not specified"],
      [['quarantine', 'release', '--all'], "required option '--reason <TEXT>' not specified"],
      [
        ['pause', 'kitchen', '--reason', 'x'],
        "'kitchen' is invalid for argument 'queue'. Allowed choices are ",
      ],
      [['quarantine', 'release', '--reason', 'x'], 'either --id or --all is required'],
    ] as const
    const ended = await Promise.all(wrong.map(([args]) => ops(...args)))
    for (const [index, [, message]] of wrong.entries()) {
      const { status = 0, stderr } = ended[index] ?? {}
      expect(status).to.equal(1)
      expect(stderr)
        .to.match(/^comanda: [^\n]*\n$/)
        .and.contain(message)
    }
    expect((await json('queues')).every(queue => queue['paused_at'] === null)).to.equal(true)
  })

  it('retry: runs a job at once that waits for its next attempt', async () => {
    await hold('order.prepare')
    const order = await place(system.database, menu)
    const [job] = await until('its job is there', async () => {
      const jobs = await system.database.query<{ id: string }>(
        `update pgboss.job set state = 'retry', retry_count = 5, start_after = now() + interval '1 hour'
        where name = 'order.prepare' and data ->> 'order_id' = $1 returning id`,
        [order],
      )
      return jobs.length === 1 && jobs
    })
    await letGo('order.prepare')
    expect(await done('retry', job?.id ?? '', '--reason', 'the lock is gone')).to.contain('due now')
    await prepared(order)
    expect((await audits()).at(-1)).to.deep.include({ action: 'retry', reason: 'the lock is gone' })
    const { status, stderr } = await ops('retry', job?.id ?? '', '--reason', 'again')
    expect(status).to.equal(1)
    expect(stderr).to.contain('Nothing was changed: the job is completed')
    expect((await ops('retry', newId(), '--reason', 'x')).stderr).to.contain('No job with id')
  })

  it('retry, dead-letters, redrive: run a job again that used up its attempts', async () => {
    const failed = await failedOrder()
    expect(await done('dead-letters'))
      .to.contain(failed.order)
      .and.contain('broken')
    expect(await json('dead-letters')).to.have.length(1)
    expect(await done('redrive', '--preview')).to.contain(failed.order)
    expect(await done('retry', failed.job, '--reason', 'fixed')).to.contain(
      'was a dead letter and is redriven',
    )
    await prepared(failed.order)
    expect(await done('dead-letters')).to.contain('No open dead letter')
    expect(await json('dead-letters', '--all')).to.have.length(1)

    const another = await failedOrder()
    expect(await done('redrive', '--id', another.order, '--reason', 'fixed')).to.contain(
      '1 dead letter redriven',
    )
    await prepared(another.order)
    expect((await ops('retry', another.job, '--reason', 'x')).stderr).to.contain('was redriven already')
  })

  it('quarantine: lists quarantined events, and returns them to the dispatcher', async () => {
    const [order] = await system.database.query<{ order_id: string; event_id: string }>(
      `insert into outbox_events (event_id, restaurant_id, type, order_id, payload)
      select uuidv7(), restaurant_id, 'order.placed.v9', order_id, payload from outbox_events
      where type = 'order.placed.v1' limit 1 returning order_id, event_id`,
    )
    await until('it is quarantined', async () => {
      const rows = await system.database.query('select 1 from ops.quarantined_events')
      return rows.length === 1
    })
    expect(await done('quarantine', 'list')).to.contain('unknown event type order.placed.v9')
    await system.database.execute(`update outbox_events set type = 'order.placed.v1' where event_id = $1`, [
      order?.event_id,
    ])
    const released = await done(
      'quarantine',
      'release',
      '--id',
      order?.order_id ?? '',
      '--reason',
      'it is v1',
    )
    expect(released).to.contain('1 event returned to the dispatcher')
    await until('it is dispatched', async () => {
      const rows = await system.database.query('select 1 from outbox_events where dispatched_at is null')
      return rows.length === 0
    })
    expect((await audits()).at(-1)).to.deep.include({
      action: 'release',
      details: { events: [order?.event_id] },
    })
  })

  /** Places an order and makes its job a dead letter. */
  async function failedOrder(): Promise<{ order: string; job: string }> {
    await hold('order.prepare')
    const order = await place(system.database, menu)
    const job = await until('its job is there', async () => {
      const [job] = await system.database.query<{ id: string; data: object }>(
        `update pgboss.job set state = 'failed', completed_on = now(), retry_count = 12
        where name = 'order.prepare' and data ->> 'order_id' = $1 returning id, data`,
        [order],
      )
      return job
    })
    await system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts, first_queued_at, dead_at)
      values (gen_random_uuid(), 'order.prepare', $1, $1, 'inventory.deducted.success.v1', $2, $3, '{"message":"broken"}', 13, now(), now())`,
      [job.id, order, job.data],
    )
    await letGo('order.prepare')
    return { order, job: job.id }
  }
})
