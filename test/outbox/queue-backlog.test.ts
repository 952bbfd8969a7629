import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../src/db/database.ts'
import type { EventType } from '../../src/events/catalogue.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { releaseEvents } from '../../src/ops/actions/release-events.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { Dispatcher } from '../../src/outbox/dispatcher.ts'
import { everyId } from '../../src/outbox/id-window.ts'
import { besideHeld, pendingBesideHeldSql } from '../../src/outbox/pending-events.ts'
import { publishEvents } from '../../src/outbox/publish.ts'
import { QueueBacklog } from '../../src/outbox/queue-backlog.ts'
import { ANYONE } from '../../src/platform/caller.ts'
import { MAX_UUID, NIL_UUID } from '../../src/platform/ids.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { addWebhook } from '../../src/webhooks/webhooks.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { addMenu, cancel, eventsOf, type Menu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

const MAX_COUNT = 3
const HELD: ReadonlySet<EventType> = new Set(['order.placed.v1'])
/** Held events in the test of the plan. Reading a tenth of them takes more buffers than allowed. */
const MANY = 20_000
const MAX_BUFFERS = 400

describe('the back-pressure of a full queue', () => {
  let database: Database
  let boss: PgBoss
  let menu: Menu
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    boss = await startBoss(database, 'producer', 'test', quiet)
    menu = await addMenu(database, 1_000_000)
    const webhook = { webhook_id: uuidv7(), url: 'http://127.0.0.1:9/', event_types: ['*'] }
    await database.transaction(tx => addWebhook(tx, ANYONE, webhook, { allowPrivate: true }))
  })
  after(async () => {
    await boss.stop()
    await close()
  })
  beforeEach(async () => {
    for (const table of ['outbox_events', 'webhook_deliveries', 'held_queues'])
      await database.execute(`delete from ${table}`)
    await database.execute(`delete from pgboss.job where name like 'inventory.%' or name like 'order.%'`)
  })

  const publisher = (backlog = new QueueBacklog(MAX_COUNT)) => ({
    boss,
    fanOut: webhookFanOut,
    log: quiet,
    backlog,
  })

  /** Dispatches a batch as a dispatcher does that has counted the jobs right before. */
  async function dispatch(): Promise<number> {
    const backlog = new QueueBacklog(MAX_COUNT)
    const held = await backlog.heldTypes(database)
    const batch = await database.transaction(tx => dispatchBatch(tx, publisher(backlog), 500, everyId, held))
    return batch.claimed
  }

  async function fillDeductions(): Promise<string[]> {
    const orders: string[] = []
    for (let count = 0; count <= MAX_COUNT; count++) orders.push(await place(database, menu))
    expect(await dispatch()).to.equal(MAX_COUNT + 1)
    return orders
  }

  /** Returns what became of the events of an order: their types, and those with a delivery. */
  async function progressOf(orderId: string): Promise<{ dispatched: string[]; delivered: string[] }> {
    const rows = await database.query<{ type: string; dispatched: boolean; delivered: boolean }>(
      `select e.type, e.dispatched_at is not null as dispatched, d.delivery_id is not null as delivered
      from outbox_events as e
      left join webhook_deliveries as d using (event_id)
      where e.order_id = $1
      order by e.event_id`,
      [orderId],
    )
    return {
      dispatched: rows.flatMap(({ type, dispatched }) => (dispatched ? type : [])),
      delivered: rows.flatMap(({ type, delivered }) => (delivered ? type : [])),
    }
  }

  const finish = async (jobs: number) =>
    await database.execute(
      `delete from pgboss.job where name = 'inventory.deduct'
      and id in (select id from pgboss.job where name = 'inventory.deduct' limit $1)`,
      [jobs],
    )

  it('holds its events whole, while the events of other queues are dispatched', async () => {
    const [other = ''] = await fillDeductions()
    const held = await place(database, menu)
    await cancel(database, other)
    expect(await dispatch()).to.equal(1)
    expect(await progressOf(held)).to.deep.equal({ dispatched: [], delivered: [] })
    const types = ['order.placed.v1', 'order.cancelled.v1']
    expect(await progressOf(other)).to.deep.equal({ dispatched: types, delivered: types })
  })

  it('holds later events of the order of a held event', async () => {
    await fillDeductions()
    const held = await place(database, menu)
    await cancel(database, held)
    expect(await dispatch()).to.equal(0)
    await finish(MAX_COUNT)
    expect(await dispatch()).to.equal(2)
    expect((await progressOf(held)).delivered).to.deep.equal(['order.placed.v1', 'order.cancelled.v1'])
  })

  it('holds an event that is released from quarantine', async () => {
    await fillDeductions()
    const order = await place(database, menu)
    await database.execute(
      `update outbox_events set quarantined_at = now(), error = 'a test' where order_id = $1`,
      [order],
    )
    const operator = { actor: 'ada', reason: 'test' }
    await database.transaction(tx => releaseEvents(tx, [order], 1, operator))
    expect(await dispatch()).to.equal(0)
  })

  it('does not count deferred jobs and retries that are not due', async () => {
    await fillDeductions()
    await database.execute(
      `update pgboss.job set start_after = now() + interval '1 hour' where name = 'inventory.deduct'`,
    )
    await place(database, menu)
    expect(await dispatch()).to.equal(1)
  })

  it('ends when half of the jobs are done, not before', async () => {
    const { log, lines } = recordingLog()
    await fillDeductions()
    const backlog = new QueueBacklog(MAX_COUNT, log)
    expect([...(await backlog.heldTypes(database))]).to.deep.equal(['order.placed.v1'])
    const held = async () => (await backlog.heldTypes(database)).size > 0
    const countedAt = async () =>
      (await database.query<{ at: Date }>('select counted_at as at from held_queues'))[0]?.at.getTime()
    await finish(2)
    const before = await countedAt()
    await until('another count', async () => (await held()) && (await countedAt()) !== before)
    await finish(1)
    await until('the end', async () => !(await held()))
    expect(await countedAt()).to.equal(undefined)
    expect(lines.map(({ msg }) => msg)).to.deep.equal([
      'inventory.deduct is full: its events wait in the outbox',
      'inventory.deduct takes events again',
    ])
  })

  it('makes a worker append its events without jobs, with the later events of their orders', async () => {
    await fillDeductions()
    const order = await place(database, menu)
    await cancel(database, order)
    const other = await place(database, menu)
    await cancel(database, other)
    const [placed] = await eventsOf(database, order, 'order.placed.v1')
    const [cancelled] = await eventsOf(database, order, 'order.cancelled.v1')
    const [unrelated] = await eventsOf(database, other, 'order.cancelled.v1')
    if (!placed || !cancelled || !unrelated) expect.fail('an event is missing')
    await database.execute('delete from outbox_events')
    await database.transaction(tx => publishEvents(tx, publisher(), [placed, cancelled, unrelated]))
    expect(await progressOf(order)).to.deep.equal({ dispatched: [], delivered: [] })
    expect((await progressOf(other)).dispatched).to.deep.equal(['order.cancelled.v1'])
    expect(await pending()).to.equal(2)
  })

  it('lets a worker publish events whose steps are done', async () => {
    await fillDeductions()
    const order = await place(database, menu)
    const [placed] = await eventsOf(database, order, 'order.placed.v1')
    if (!placed) expect.fail('the event is missing')
    await database.execute('delete from outbox_events')
    const done = new Set([placed.event_id])
    await database.transaction(tx => publishEvents(tx, publisher(), [placed], done))
    expect((await progressOf(order)).dispatched).to.deep.equal(['order.placed.v1'])
  })

  it('lasts for two dispatchers until workers have made progress, and loses no event', async () => {
    const [order = ''] = await fillDeductions()
    await copyPlaced(order, 2_500)
    const start = async () => {
      const dispatcher = new Dispatcher(database, publisher(new QueueBacklog(MAX_COUNT, quiet)))
      await dispatcher.start()
      return dispatcher
    }
    const dispatchers = [await start(), await start()]
    const jobs = async () =>
      (await database.query(`select id from pgboss.job where name = 'inventory.deduct'`)).length
    try {
      await until('the queue is held', async () => (await heldCount()) === 1)
      expect(await pending()).to.equal(2_500)
      let done = 0
      await until('all are dispatched', async () => {
        const waiting = await jobs()
        // Each dispatcher adds at most one batch to a queue that is not full.
        expect(waiting).to.be.at.most(MAX_COUNT + 1_000)
        await finish(waiting)
        done += waiting
        return (await pending()) === 0 && (await jobs()) === 0
      })
      expect(done).to.equal(2_500 + MAX_COUNT + 1)
    } finally {
      for (const dispatcher of dispatchers) await dispatcher.stop()
    }
  })

  it('is visible in ops.queues, and held events are neither late nor stuck while it is current', async () => {
    const [first = ''] = await fillDeductions()
    const held = await place(database, menu)
    await cancel(database, held)
    await new QueueBacklog(MAX_COUNT, quiet).heldTypes(database)
    await cancel(database, first)
    await database.execute(`update outbox_events set created_at = now() - interval '1 hour'`)
    const read = async () => ({
      queues: await valuesOf('select queue from ops.queues where held_at is not null'),
      stuck: await valuesOf(`select order_id from ops.stuck_orders where reason = 'NOT_DISPATCHED'`),
      late: await valuesOf('select order_id from ops.check_events_dispatched'),
      oldest: await valuesOf('select oldest_pending_seconds > 3000 from ops.outbox'),
      pending: await valuesOf('select pending from ops.outbox'),
    })
    expect(await read()).to.deep.equal({
      queues: ['inventory.deduct'],
      stuck: [first],
      late: [first],
      oldest: [true],
      pending: [3],
    })
    await database.execute('update outbox_events set dispatched_at = now() where order_id = $1', [first])
    expect(await read()).to.deep.include({ stuck: [], late: [], oldest: [null], pending: [2] })
    // The dispatcher has ended without a word.
    await database.execute(`update held_queues set counted_at = now() - interval '2 minutes'`)
    const late = [held, held]
    expect(await read()).to.deep.equal({ queues: [], stuck: late, late, oldest: [true], pending: [2] })
  })

  it('reads none of the held events when it claims others', async () => {
    const [order = '', other = ''] = await fillDeductions()
    await copyPlaced(order, MANY)
    for (let count = 0; count < 10; count++) await copyPlaced(other, 1, `'order.ready.v1'`)
    await database.transaction(async tx => {
      const [mode] = await tx.query('show plan_cache_mode')
      expect(mode).to.deep.equal({ plan_cache_mode: 'force_generic_plan' })
      const [open = [], held = []] = besideHeld(HELD)
      const list = (types: readonly string[]) => `'{${types.join(',')}}'`
      for (const statistics of ['select 1', 'analyze outbox_events']) {
        await tx.execute(statistics)
        await tx.execute(`prepare beside (integer, uuid, uuid, text[], text[]) as ${pendingBesideHeldSql}`)
        const explained = await tx.query<{ 'QUERY PLAN': string }>(
          `explain (analyze, buffers) execute beside (500, '${NIL_UUID}', '${MAX_UUID}', ${list(open)}, ${list(held)})`,
        )
        await tx.execute('deallocate beside')
        const plan = explained.map(row => row['QUERY PLAN']).join('\n')
        expect(plan).to.match(/actual .*rows=10\.00/)
        const [, hit, read = '0'] = /Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(plan) ?? []
        expect(Number(hit) + Number(read), plan).to.be.at.most(MAX_BUFFERS)
      }
    })
  })

  const valuesOf = async (sql: string) =>
    (await database.query<Record<string, unknown>>(sql)).map(row => Object.values(row)[0])
  const pending = async () =>
    (await database.query('select 1 from outbox_events where dispatched_at is null')).length
  const heldCount = async () => (await database.query('select 1 from held_queues')).length

  /** Copies the event of an order, with ids of their own. */
  async function copyPlaced(orderId: string, count: number, type = 'type'): Promise<void> {
    await database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, order_id, payload, trace_context)
      select uuidv7(), restaurant_id, ${type}, uuidv7(), payload, trace_context
      from outbox_events
      cross join generate_series(1, $2::integer)
      where order_id = $1
        and type = 'order.placed.v1'`,
      [orderId, count],
    )
  }
})
