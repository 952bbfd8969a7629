import { expect } from 'chai'
import { changeStock } from '../../src/inventory/change-stock.ts'
import { queueNames } from '../../src/jobs/queues.ts'
import { quiet } from '../support/log.ts'
import { cancel, place, setReady, statusOf } from '../support/pipeline.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { addDeadLetter, quarantine } from './incidents.ts'
import { OperatedDatabase } from './operated-database.ts'

describe('the schema ops', () => {
  let operated: OperatedDatabase

  beforeEach(async () => {
    operated = await OperatedDatabase.open()
  })
  afterEach(() => operated.close())

  const queue = async (name: string) => (await operated.rows('queues', `where queue = '${name}'`))[0]

  it('queues: shows the jobs, throughput and latency of each queue', async () => {
    expect((await operated.rows('queues')).map(({ queue }) => queue)).to.include.members([...queueNames])
    await place(operated.database, operated.menu)
    await place(operated.database, operated.menu)
    await operated.dispatch()
    await operated.boss.send('order.reject', {}, { startAfter: 600 })
    await operated.database.execute(
      `update pgboss.job set start_after = now() - interval '90 seconds' where name = 'inventory.deduct'`,
    )
    expect(await queue('inventory.deduct')).to.include({ ready: 2, active: 0, done_last_minute: 0 })
    expect(Number((await queue('inventory.deduct'))?.['oldest_ready_seconds'])).to.be.within(90, 110)
    expect(await queue('order.reject')).to.include({ ready: 0, deferred: 1, oldest_ready_seconds: null })
    await operated.withWorker(async () => {
      await until('both are done', async () => (await queue('inventory.deduct'))?.['done_last_minute'] === 2)
    })
    const done = await queue('inventory.deduct')
    expect(done).to.include({ ready: 0, done_last_minute: 2, dead_letters: 0 })
    expect(Number(done?.['wait_p95_seconds'])).to.be.above(89)
    expect(Number(done?.['run_p95_seconds'])).to.be.within(0, 10)
  })

  it('queues: counts retrying, active, failed and dead jobs', async () => {
    for (let job = 0; job < 4; job++) await operated.boss.send('order.prepare', { event_id: null })
    const states = ['retry', 'active', 'failed', 'created']
    for (const state of states) {
      await operated.database.execute(
        `update pgboss.job set state = $1
        where id = (select id from pgboss.job where name = 'order.prepare' and state = 'created' limit 1)`,
        [state],
      )
    }
    await addDeadLetter(operated.database, 'order.prepare')
    expect(await queue('order.prepare')).to.include({
      ready: 1,
      retrying: 1,
      active: 1,
      failed: 1,
      dead_letters: 1,
    })
  })

  it('outbox: shows pending events, throughput and quarantined events with their errors', async () => {
    const order = await place(operated.database, operated.menu)
    await operated.age(
      `update outbox_events set created_at = now() - interval '2 minutes' where order_id = $1`,
      order,
    )
    const [waiting] = await operated.rows('outbox')
    expect(waiting).to.include({ pending: 1, written_last_minute: 1, quarantined: 0 })
    expect(Number(waiting?.['oldest_pending_seconds'])).to.be.within(120, 140)
    const dispatcher = await startDispatcher(testConfig, operated.url, quiet)
    await until('it is dispatched', async () => (await operated.rows('outbox'))[0]?.['pending'] === 0)
    await until(
      'the dispatcher has reported it',
      async () => (await operated.rows('outbox'))[0]?.['dispatched_last_minute'] === 1,
    )
    await dispatcher.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await operated.withWorker(async () => {
      await until(
        'the worker has reported the two events that it published with their jobs',
        async () => (await operated.rows('outbox'))[0]?.['dispatched_last_minute'] === 2,
      )
    })
    await quarantine(operated.database, order)
    const [aside] = await operated.rows('outbox')
    expect(aside).to.include({ pending: 0, quarantined: 1 })
    expect(aside?.['quarantine_reasons']).to.deep.equal([
      { type: 'order.placed.v1', error: 'unreadable', events: 1 },
    ])
    expect((await operated.rows('quarantined_events'))[0]).to.include({
      order_id: order,
      error: 'unreadable',
    })
  })

  it('stuck_jobs, stuck_orders, order_timeline: count started attempts, also between two attempts', async () => {
    const { boss, database } = operated
    const order = await place(database, operated.menu)
    await operated.dispatch()
    const readAttempts = async () => {
      const [[job], [stuck]] = [await operated.rows('stuck_jobs'), await operated.rows('stuck_orders')]
      const timeline = await operated.rows('order_timeline', `where order_id = '${order}' and kind = 'JOB'`)
      return [job, stuck, ...timeline].map(row => row?.['attempts'])
    }
    await database.execute(`update pgboss.job set start_after = now() - interval '2 minutes'`)
    expect(await readAttempts()).to.deep.equal([0, 0, 0])
    for (const attempt of [1, 2]) {
      await database.execute(`update pgboss.job set start_after = now()`)
      const [job] = await boss.fetch('inventory.deduct')
      await boss.fail('inventory.deduct', job?.id ?? '', { message: 'lock timeout' })
      await database.execute(`update pgboss.job set created_on = now() - interval '2 minutes'`)
      expect(await readAttempts()).to.deep.equal([attempt, attempt, attempt, attempt, attempt])
    }
    await database.execute(`update pgboss.job set start_after = now()`)
    await boss.fetch('inventory.deduct')
    await database.execute(`update pgboss.job set started_on = now() - interval '2 minutes'`)
    expect(await readAttempts()).to.deep.equal([3, 3, 3, 3])
  })

  it('failed_jobs: lists a job that used up its attempts, with its error', async () => {
    const order = await place(operated.database, operated.menu)
    await operated.dispatch()
    await operated.database.execute(
      `update pgboss.job set state = 'failed', started_on = now(), completed_on = now(), retry_count = 12, output = '{"message":"broken"}'`,
    )
    const [failed] = await operated.rows('failed_jobs')
    expect(failed).to.include({ queue: 'inventory.deduct', order_id: order, attempts: 13, error: 'broken' })
  })

  it('dead_letters: shows the state of the job of a redrive', async () => {
    await addDeadLetter(operated.database, 'order.prepare')
    expect((await operated.rows('dead_letters'))[0]).to.include({
      fate: 'OPEN',
      error: 'broken',
      redriven_job_id: null,
    })
    const id = await operated.boss.send('order.prepare', {})
    await operated.database.execute(
      `update dead_letters set fate = 'REDRIVEN', fate_at = now(), redriven_job_id = $1`,
      [id],
    )
    expect((await operated.rows('dead_letters'))[0]).to.include({
      fate: 'REDRIVEN',
      redriven_job_state: 'created',
    })
  })

  it('workers: lists every process with its queues and its state', async () => {
    const [worker, dispatcher] = [
      await startWorker(testConfig, operated.url, quiet),
      await startDispatcher(testConfig, operated.url, quiet),
    ]
    await until('the worker has said what it works', async () => {
      const [row] = await operated.rows('workers', `where role = 'worker'`)
      return String(row?.['working_on']).includes('order.prepare')
    })
    const live = await operated.rows('workers', 'order by role')
    expect(live.map(({ role, state, pid }) => ({ role, state, pid }))).to.deep.equal([
      { role: 'dispatcher', state: 'LIVE', pid: process.pid },
      { role: 'worker', state: 'LIVE', pid: process.pid },
    ])
    expect(live[0]).to.include({ version: '0.1.0' })
    for (const service of [worker, dispatcher]) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    expect((await operated.rows('workers')).map(({ state }) => state)).to.deep.equal(['STOPPED', 'STOPPED'])
    await operated.database.execute(
      `update process_heartbeats set stopped_at = null, beat_at = now() - interval '16 seconds' where role = 'worker'`,
    )
    expect((await operated.rows('workers', `where role = 'worker'`))[0]).to.include({ state: 'SILENT' })
  })

  it('stock: shows the stock, the ledger sum and whether the stock is low', async () => {
    await place(operated.database, operated.menu)
    await operated.dispatch()
    await operated.withWorker(async () => {
      await until('it is deducted', async () => (await operated.rows('stock'))[0]?.['on_hand'] === 9)
    })
    expect((await operated.rows('stock'))[0]).to.include({ ledger_qty: 9, low: false, low_since: null })
    await operated.database.execute('update menu_items set low_stock_threshold = 9')
    expect((await operated.rows('stock'))[0])
      .to.include({ low: true })
      .and.have.property('low_since')
      .that.is.instanceOf(Date)
  })

  it('stock_adjustments: shows each adjustment with its reason, and no other movement', async () => {
    const { database, menu } = operated
    const { restaurant_id, menu_item_ids } = menu
    const [menu_item_id = ''] = menu_item_ids
    await place(database, menu)
    for (const adjustment of [
      { quantity: -3, reason_code: 'WASTE', reason: 'dropped a tray' },
      { quantity: 2, reason_code: 'CORRECTION' },
    ] as const)
      await database.transaction(tx =>
        changeStock(tx, { kind: 'ADJUST', menu_item_id, ...adjustment, trace: {} }),
      )
    await database.transaction(tx =>
      changeStock(tx, { kind: 'RESTOCK', menu_item_id, quantity: 5, reason: 'delivery', trace: {} }),
    )
    const rows = await operated.rows('stock_adjustments', 'order by at')
    const item = { restaurant_id, menu_item_id, name: 'Pizza' }
    expect(rows.map(({ at: _, ...row }) => row)).to.deep.equal([
      { ...item, delta: -3, reason_code: 'WASTE', reason: 'dropped a tray' },
      { ...item, delta: 2, reason_code: 'CORRECTION', reason: null },
    ])
  })

  it('stock: counts an empty item without a threshold as not low', async () => {
    await operated.database.execute('update menu_items set available_qty = 0')
    expect((await operated.rows('stock'))[0]).to.include({ low: false, low_since: null })
  })

  it('order_timeline: lists the history of an order, oldest entry first', async () => {
    const order = await place(operated.database, operated.menu)
    await operated.dispatch()
    await operated.withWorker(async () => {
      await until('it is prepared', async () => (await statusOf(operated.database, order)) === 'PREPARING')
      for (const isReady of [true, false]) await setReady(operated.database, order, isReady)
      await cancel(operated.database, order)
      await operated.dispatch()
      await until('its stock is back', async () => (await operated.rows('stock'))[0]?.['on_hand'] === 10)
    })
    const timeline = await operated.rows('order_timeline', `where order_id = '${order}'`)
    const entries = timeline.map(({ what }) => String(what).replace(/ after -?\d+ ms/, ''))
    const expected = [
      'PLACED',
      'order.placed.v1 dispatched',
      'inventory.deduct queued',
      'inventory.deduct started',
      'DEDUCT -1 Pizza',
      'inventory.deduct completed',
      'inventory.deducted.success.v1 dispatched',
      'order.prepare done in the transaction of its event',
      'PLACED → PREPARING',
      'order.status.preparing.v1 dispatched',
      'PREPARING, ready',
      'order.ready.v1 dispatched',
      'PREPARING, not ready any more',
      'order.unready.v1 dispatched',
      'PREPARING → CANCELLED',
      'order.cancelled.v1 dispatched',
      'inventory.restore queued',
      'inventory.restore started',
      'RESTORE 1 Pizza',
      'inventory.restore completed',
    ]
    expect(entries).to.have.members(expected)
    const times = timeline.map(({ at }) => (at as Date).getTime())
    expect(times).to.deep.equal([...times].sort((a, b) => a - b))
    expect(timeline.every(({ order_id }) => order_id === order)).to.equal(true)
  })

  it('order_timeline: lists delivered, retried and pending webhook deliveries', async () => {
    const { database } = operated
    const order = await place(database, operated.menu)
    await database.execute(
      `insert into webhooks (webhook_id, owner, url, event_types, type_patterns)
      select uuidv7(), 'ada', 'https://' || host || '.example/a-secret', '{order.placed.v1}', '{order.placed.v1}'
      from unnest('{well,failing,blocked}'::text[]) as host`,
    )
    await operated.dispatch()
    const deliveries = async () =>
      (await operated.rows('order_timeline', `where order_id = '${order}' and kind = 'DELIVERY'`)).map(
        ({ what, attempts, error }) => ({ what, attempts, error }),
      )
    expect((await deliveries()).map(({ what }) => what)).to.have.members(
      ['well', 'failing', 'blocked'].map(host => `order.placed.v1 to ${host}.example is due`),
    )
    const change = (host: string, change: string) =>
      database.execute(
        `update webhook_deliveries set ${change} where webhook_id = (select webhook_id from webhooks where url ~ $1)`,
        [host],
      )
    await change('well', `state = 'DELIVERED', settled_at = now(), attempts = 1`)
    await change('failing', `attempts = 1, next_attempt_at = '2126-11-22T03:04:05Z'`)
    await change('blocked', `next_attempt_at = null`)
    await database.execute(
      `insert into webhook_attempts (delivery_id, at, status, duration_ms, error)
      select delivery_id, now(), case when settled_at is not null then 204 end, 4,
        case when settled_at is null then 'no connection' end
      from webhook_deliveries where attempts = 1`,
    )
    expect(await deliveries()).to.have.deep.members([
      { what: 'order.placed.v1 to well.example: 204', attempts: null, error: null },
      { what: 'order.placed.v1 to well.example delivered', attempts: 1, error: null },
      { what: 'order.placed.v1 to failing.example: no answer', attempts: null, error: 'no connection' },
      { what: 'order.placed.v1 to failing.example failed, retry at 03:04:05 UTC', attempts: 1, error: null },
      {
        what: 'order.placed.v1 to blocked.example is blocked by an earlier delivery',
        attempts: 0,
        error: null,
      },
    ])
  })
})
