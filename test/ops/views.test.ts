import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { queueNames } from '../../src/jobs/catalogue.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { startDispatcher } from '../../src/processes/dispatcher.ts'
import { startWorker } from '../../src/processes/worker.ts'
import { quiet } from '../support/log.ts'
import { addMenu, cancel, type Menu, place, statusOf } from '../support/slow-path.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { addDeadLetter, quarantine } from './troubles.ts'

type Row = Record<string, unknown>

describe('the views of ops', () => {
  let database: Database
  let url: string
  let boss: PgBoss
  let close: () => Promise<void>
  let menu: Menu

  beforeEach(async () => {
    const test = await openTestDatabase()
    ;({ database, url, close } = test)
    boss = await startBoss(database, 'producer', 'test', quiet)
    menu = await addMenu(database, 10)
  })
  afterEach(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  const rows = (view: string, rest = '') => database.query<Row>(`select * from ops.${view} ${rest}`)
  const queue = async (name: string) => (await rows('queues', `where queue = '${name}'`))[0]
  const dispatch = () => database.transaction(tx => dispatchBatch(tx, boss, 500, quiet))
  const age = (sql: string, order: string) => database.execute(sql, [order])

  async function withWorker(work: () => Promise<void>): Promise<void> {
    const worker = await startWorker(testConfig, url, quiet)
    try {
      await work()
    } finally {
      await worker.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  }

  it('queues: shows what each queue holds, and how fast it goes', async () => {
    expect((await rows('queues')).map(({ queue }) => queue)).to.include.members([...queueNames])
    await place(database, menu)
    await place(database, menu)
    await dispatch()
    await boss.send('order.reject', {}, { startAfter: 600 })
    await database.execute(
      `update pgboss.job set start_after = now() - interval '90 seconds' where name = 'inventory.deduct'`,
    )
    expect(await queue('inventory.deduct')).to.include({ ready: 2, active: 0, done_last_minute: 0 })
    expect(Number((await queue('inventory.deduct'))?.['oldest_ready_seconds'])).to.be.within(90, 110)
    expect(await queue('order.reject')).to.include({ ready: 0, deferred: 1, oldest_ready_seconds: null })
    await withWorker(async () => {
      await until('both are done', async () => (await queue('order.prepare'))?.['done_last_minute'] === 2)
    })
    const done = await queue('inventory.deduct')
    expect(done).to.include({ ready: 0, done_last_minute: 2, dead_letters: 0 })
    expect(Number(done?.['wait_p95_seconds'])).to.be.above(89)
    expect(Number(done?.['run_p95_seconds'])).to.be.within(0, 10)
  })

  it('queues: counts what is retried, in hand, failed and dead', async () => {
    for (let job = 0; job < 4; job++) await boss.send('order.prepare', { event_id: null })
    const states = ['retry', 'active', 'failed', 'created']
    for (const state of states) {
      await database.execute(
        `update pgboss.job set state = $1
        where id = (select id from pgboss.job where name = 'order.prepare' and state = 'created' limit 1)`,
        [state],
      )
    }
    await addDeadLetter(database, 'order.prepare')
    expect(await queue('order.prepare')).to.include({
      ready: 1,
      retrying: 1,
      active: 1,
      failed: 1,
      dead_letters: 1,
    })
  })

  it('outbox: shows what waits and since when, what dispatchers do, and what was put aside and why', async () => {
    const order = await place(database, menu)
    await age(`update outbox_events set created_at = now() - interval '2 minutes' where order_id = $1`, order)
    const [waiting] = await rows('outbox')
    expect(waiting).to.include({ pending: 1, written_last_minute: 1, quarantined: 0 })
    expect(Number(waiting?.['oldest_pending_seconds'])).to.be.within(120, 140)
    const dispatcher = await startDispatcher(testConfig, url, quiet)
    await until('it is dispatched', async () => (await rows('outbox'))[0]?.['pending'] === 0)
    await until(
      'the dispatcher has said so',
      async () => (await rows('outbox'))[0]?.['dispatched_last_minute'] === 1,
    )
    await dispatcher.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await quarantine(database, order)
    const [aside] = await rows('outbox')
    expect(aside).to.include({ pending: 0, quarantined: 1 })
    expect(aside?.['quarantine_reasons']).to.deep.equal([
      { type: 'order.placed.v1', error: 'unreadable', events: 1 },
    ])
    expect((await rows('quarantined_events'))[0]).to.include({ order_id: order, error: 'unreadable' })
  })

  it('failed_jobs: names a job that has failed for good, with its error', async () => {
    const order = await place(database, menu)
    await dispatch()
    await database.execute(
      `update pgboss.job set state = 'failed', completed_on = now(), retry_count = 12, output = '{"message":"broken"}'`,
    )
    const [failed] = await rows('failed_jobs')
    expect(failed).to.include({ queue: 'inventory.deduct', order_id: order, attempts: 13, error: 'broken' })
  })

  it('dead_letters: follows a letter into the job that it was given again as', async () => {
    await addDeadLetter(database, 'order.prepare')
    expect((await rows('dead_letters'))[0]).to.include({
      fate: 'OPEN',
      error: 'broken',
      redriven_job_id: null,
    })
    const id = await boss.send('order.prepare', {})
    await database.execute(
      `update dead_letters set fate = 'REDRIVEN', fate_at = now(), redriven_job_id = $1`,
      [id],
    )
    expect((await rows('dead_letters'))[0]).to.include({ fate: 'REDRIVEN', redriven_job_state: 'created' })
  })

  it('workers: names every process, what it works on, and whether it lives', async () => {
    const [worker, dispatcher] = [
      await startWorker(testConfig, url, quiet),
      await startDispatcher(testConfig, url, quiet),
    ]
    await until('the worker has said what it works', async () => {
      const [row] = await rows('workers', `where role = 'worker'`)
      return String(row?.['working_on']).includes('order.prepare')
    })
    const live = await rows('workers', 'order by role')
    expect(live.map(({ role, state, pid }) => ({ role, state, pid }))).to.deep.equal([
      { role: 'dispatcher', state: 'LIVE', pid: process.pid },
      { role: 'worker', state: 'LIVE', pid: process.pid },
    ])
    expect(live[0]).to.include({ version: '0.1.0' })
    for (const service of [worker, dispatcher]) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    expect((await rows('workers')).map(({ state }) => state)).to.deep.equal(['STOPPED', 'STOPPED'])
    await database.execute(
      `update process_heartbeats set stopped_at = null, beat_at = now() - interval '16 seconds' where role = 'worker'`,
    )
    expect((await rows('workers', `where role = 'worker'`))[0]).to.include({ state: 'SILENT' })
  })

  it('stock: sets what is on hand beside its ledger, and says what is low', async () => {
    await place(database, menu)
    await dispatch()
    await withWorker(async () => {
      await until('it is deducted', async () => (await rows('stock'))[0]?.['on_hand'] === 9)
    })
    expect((await rows('stock'))[0]).to.include({ ledger_qty: 9, low: false })
    await database.execute('update menu_items set low_stock_threshold = 9')
    expect((await rows('stock'))[0]).to.include({ low: true })
  })

  it('order_timeline: tells what happened to an order, in time order', async () => {
    const order = await place(database, menu)
    await dispatch()
    await withWorker(async () => {
      await until('it is prepared', async () => (await statusOf(database, order)) === 'PREPARING')
      await cancel(database, order)
      await dispatch()
      await until('its stock is back', async () => (await rows('stock'))[0]?.['on_hand'] === 10)
    })
    const timeline = await rows('order_timeline', `where order_id = '${order}'`)
    const told = timeline.map(({ what }) => String(what).replace(/ after -?\d+ ms/, ''))
    const expected = [
      'PLACED',
      'order.placed.v1 dispatched',
      'inventory.deduct queued',
      'inventory.deduct begun',
      'DEDUCT -1 Pizza',
      'inventory.deduct completed',
      'inventory.deducted.success.v1 dispatched',
      'order.prepare queued',
      'order.prepare begun',
      'PLACED → PREPARING',
      'order.prepare completed',
      'order.status.preparing.v1 dispatched',
      'PREPARING → CANCELLED',
      'order.cancelled.v1 dispatched',
      'inventory.restore queued',
      'inventory.restore begun',
      'RESTORE 1 Pizza',
      'inventory.restore completed',
    ]
    expect(told).to.have.members(expected)
    const times = timeline.map(({ at }) => (at as Date).getTime())
    expect(times).to.deep.equal([...times].sort((a, b) => a - b))
    expect(timeline.every(({ order_id }) => order_id === order)).to.equal(true)
  })
})
