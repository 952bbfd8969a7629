import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { errorCode } from '../../src/db/sql-errors.ts'
import { deductStock } from '../../src/inventory/deduct-stock.ts'
import { decideTransition } from '../../src/orders/order.ts'
import { saveTransitions } from '../../src/orders/save-transitions.ts'
import { ExpectedError } from '../../src/platform/errors.ts'
import type { Service } from '../../src/processes/service.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import {
  addMenu,
  cancel,
  deduct,
  eventsOf,
  type Menu,
  place,
  prepare,
  reject,
  restore,
  setReady,
  setStatus,
  statusOf,
  stockOf,
} from '../support/pipeline.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

/**
 * Every interleaving of a cancellation with the pipeline, first by forcing the order of commits.
 */
describe('interleavings of the pipeline with clients', () => {
  let database: Database
  let url: string
  let close: () => Promise<void>
  let menu: Menu
  let orderId: string

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    url = test.url
    close = test.close
  })
  after(() => close())
  beforeEach(async () => {
    menu = await addMenu(database, 10, 10)
    orderId = await place(database, menu)
  })

  it('moves no stock when the cancellation commits before the deduction', async () => {
    await cancel(database, orderId)
    await deduct(database, orderId)
    await restore(database, orderId)
    expect(await stockOf(database, menu)).to.deep.equal([10, 10])
    expect(await movementsOf(orderId)).to.deep.equal([])
    expect(await eventsOf(database, orderId, 'inventory.deducted.success.v1')).to.deep.equal([])
  })

  it('restores the stock when the cancellation commits between deduction and preparation', async () => {
    await deduct(database, orderId)
    await cancel(database, orderId)
    await prepare(database, orderId)
    expect(await statusOf(database, orderId)).to.equal('CANCELLED')
    await restore(database, orderId)
    expect(await stockOf(database, menu)).to.deep.equal([10, 10])
    expect(await movementsOf(orderId)).to.deep.equal(['DEDUCT', 'DEDUCT', 'RESTORE', 'RESTORE'])
  })

  it('moves no stock when the restore job runs before the deduct job', async () => {
    await cancel(database, orderId)
    await restore(database, orderId)
    await deduct(database, orderId)
    expect(await movementsOf(orderId)).to.deep.equal([])
    expect(await stockOf(database, menu)).to.deep.equal([10, 10])
  })

  for (const status of ['PREPARING', 'OUT_FOR_DELIVERY'] as const) {
    it(`restores the stock once when a ${status} order is cancelled`, async () => {
      await deduct(database, orderId)
      await prepare(database, orderId)
      if (status === 'OUT_FOR_DELIVERY') await setStatus(database, orderId, status)
      await cancel(database, orderId)
      await restore(database, orderId)
      await restore(database, orderId)
      expect(await stockOf(database, menu)).to.deep.equal([10, 10])
      expect(await movementsOf(orderId)).to.deep.equal(['DEDUCT', 'DEDUCT', 'RESTORE', 'RESTORE'])
    })
  }

  it('writes one transition and one event for two concurrent cancellations', async () => {
    const changed = await runConcurrently(
      orderId,
      () => cancel(database, orderId),
      () => cancel(database, orderId),
    )
    expect(changed).to.have.members([false, true])
    expect(await eventsOf(database, orderId, 'order.cancelled.v1')).to.have.length(1)
    expect(await historyOf(orderId)).to.deep.equal(['PLACED', 'CANCELLED'])
  })

  it('accepts one of a concurrent cancellation and delivery and refuses the other', async () => {
    await deduct(database, orderId)
    await prepare(database, orderId)
    await setStatus(database, orderId, 'OUT_FOR_DELIVERY')
    const outcomes = await runConcurrently(
      orderId,
      () => cancel(database, orderId),
      () => setStatus(database, orderId, 'DELIVERED'),
    )
    const refused = outcomes.filter(outcome => outcome instanceof ExpectedError)
    expect(refused.map(error => error.code)).to.deep.equal(['illegal-transition'])
    expect(await historyOf(orderId)).to.have.length(4)
  })

  for (const [first, second, history] of [
    ['ready', 'leave', ['PLACED', 'PREPARING', 'READY', 'OUT_FOR_DELIVERY']],
    ['leave', 'ready', ['PLACED', 'PREPARING', 'OUT_FOR_DELIVERY']],
    ['ready', 'cancel', ['PLACED', 'PREPARING', 'READY', 'CANCELLED']],
    ['cancel', 'ready', ['PLACED', 'PREPARING', 'CANCELLED']],
    ['ready', 'ready', ['PLACED', 'PREPARING', 'READY']],
  ] as const) {
    it(`decides ${first} before ${second} when they arrive at once in this order`, async () => {
      await deduct(database, orderId)
      await prepare(database, orderId)
      const actions = {
        ready: () => setReady(database, orderId),
        leave: () => setStatus(database, orderId, 'OUT_FOR_DELIVERY'),
        cancel: () => cancel(database, orderId),
      }
      const outcomes = await runConcurrently(orderId, actions[first], actions[second])
      expect(outcomes[0]).to.equal(true)
      expect(await historyOf(orderId)).to.deep.equal(history)
      expect(await eventsOf(database, orderId, 'order.ready.v1')).to.have.length(first === 'ready' ? 1 : 0)
      await expectInvariants(database)
    })
  }

  it('writes one transition and one event for a concurrent cancellation and OUT_OF_STOCK rejection', async () => {
    const scarce = await addMenu(database, 0)
    const short = await place(database, scarce)
    await deduct(database, short)
    await runConcurrently(
      short,
      () => cancel(database, short),
      () => reject(database, short),
    )
    expect(await historyOf(short)).to.deep.equal(['PLACED', 'CANCELLED'])
    expect(await eventsOf(database, short, 'order.cancelled.v1')).to.have.length(1)
    await restore(database, short)
    expect(await stockOf(database, scarce)).to.deep.equal([0])
  })

  for (const [first, second] of [
    ['deduct', 'cancel'],
    ['cancel', 'deduct'],
  ] as const) {
    it(`ends CANCELLED with all stock restored when ${first} takes the order lock before ${second}`, async () => {
      const actions = { deduct: () => deduct(database, orderId), cancel: () => cancel(database, orderId) }
      await runConcurrently(orderId, actions[first], actions[second])
      await prepare(database, orderId)
      await restore(database, orderId)
      expect(await statusOf(database, orderId)).to.equal('CANCELLED')
      expect(await stockOf(database, menu)).to.deep.equal([10, 10])
    })
  }

  it('has no effect when a job is delivered again', async () => {
    for (const handle of [deduct, deduct, prepare, prepare, deduct]) await handle(database, orderId)
    await cancel(database, orderId)
    for (const handle of [restore, deduct, restore, prepare]) await handle(database, orderId)
    expect(await stockOf(database, menu)).to.deep.equal([10, 10])
    expect(await historyOf(orderId)).to.deep.equal(['PLACED', 'PREPARING', 'CANCELLED'])
  })

  it('refuses a second deduction when the processed_events row of the first is lost', async () => {
    await deduct(database, orderId)
    await database.execute('delete from processed_events')
    const again = await deduct(database, orderId).catch((error: unknown) => errorCode(error))
    expect(again).to.equal('23505') // unique_violation of an_order_moves_an_item_once_a_kind
    expect(await stockOf(database, menu)).to.deep.equal([9, 9])
  })

  it('deducts exactly the available stock when concurrent orders exceed it', async () => {
    const scarce = await addMenu(database, 7)
    const orders = await Promise.all(Array.from({ length: 20 }, () => place(database, scarce)))
    await Promise.all(orders.map(order => deduct(database, order)))
    await Promise.all(orders.map(order => prepare(database, order)))
    await Promise.all(orders.map(order => reject(database, order)))
    expect(await stockOf(database, scarce)).to.deep.equal([0])
    const statuses = await Promise.all(orders.map(order => statusOf(database, order)))
    expect(statuses.filter(status => status === 'PREPARING')).to.have.length(7)
    expect(statuses.filter(status => status === 'CANCELLED')).to.have.length(13)
  })

  it('locks menu items in id order, so that deductions cannot deadlock', async () => {
    const broad = await addMenu(database, ...Array.from({ length: 12 }, () => 1_000))
    const [first, ...others] = broad.menu_item_ids.toSorted()
    const order = await place(database, { ...broad, menu_item_ids: broad.menu_item_ids.toReversed() })
    const events = await eventsOf(database, order, 'order.placed.v1')
    // Several rounds: unsorted locks may be in id order by chance.
    for (let round = 0; round < 3; round++) {
      const rival = await database.beginTransaction()
      await rival.db.query('select 1 from menu_items where menu_item_id = $1 for update', [first])
      const deducting = database.beginTransaction()
      const deducted = deducting.then(({ db }) => deductStock(db, events))
      await until('the deduction waits for the rival', async () => (await countLockWaits()) > 0)
      const free = await database.query(
        'select 1 from menu_items where menu_item_id = any($1) for update skip locked',
        [others],
      )
      expect(free, 'items that the deduction has not locked yet').to.have.length(others.length)
      await rival.rollback()
      await deducted
      await (await deducting).rollback()
    }
  })

  it('writes no transition when the order has another status than the decision assumed', async () => {
    await cancel(database, orderId)
    const order = {
      order_id: orderId,
      restaurant_id: menu.restaurant_id,
      status: 'PLACED',
      version: 2,
      ready_at: null,
      next_ms: 0,
    } as const
    const transition = decideTransition(order, { to: 'PREPARING', actor: 'system' })
    if (!transition) throw new Error('no transition was decided')
    const saved = database.transaction(async tx =>
      saveTransitions(tx, [{ transition, by: null, trace: { request_id: 'test' } }]),
    )
    expect(String(await saved.catch((error: unknown) => error))).to.match(/changed without its lock/)
    expect(await historyOf(orderId)).to.deep.equal(['PLACED', 'CANCELLED'])
  })

  it('keeps all invariants under random clients, jobs and duplicate jobs', async () => {
    const services: Service[] = [
      await startWorker(testConfig, url, quiet),
      await startWorker(testConfig, url, quiet),
      await startDispatcher(testConfig, url, quiet),
      await startDispatcher(testConfig, url, quiet),
    ]
    try {
      const scarce = await addMenu(database, 60, 200)
      await Promise.all(
        Array.from({ length: 120 }, async (_, index) => {
          const order = await place(database, scarce)
          if (index % 2 === 0) await untilPastPlaced(order, index % 4 === 0)
          if (index % 4 !== 1) await ignoreRefusal(setReady(database, order, index % 8 !== 2))
          if (index % 3 === 0) await ignoreRefusal(setStatus(database, order, 'OUT_FOR_DELIVERY'))
          if (index % 5 === 0)
            await Promise.all([ignoreRefusal(cancel(database, order)), deliverAgain(order)])
          if (index % 6 === 0) await ignoreRefusal(setStatus(database, order, 'DELIVERED'))
          if (index % 7 === 0) await deliverAgain(order)
        }),
      )
      await untilDrained()
      await expectInvariants(database)
    } finally {
      for (const service of services) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  async function movementsOf(order: string): Promise<string[]> {
    const rows = await database.query<{ kind: string }>(
      'select kind from stock_movements where order_id = $1 order by kind',
      [order],
    )
    return rows.map(({ kind }) => kind)
  }

  async function historyOf(order: string): Promise<string[]> {
    const rows = await database.query<{ step: string }>(
      'select coalesce(fact, to_status) as step from order_transitions where order_id = $1 order by seq',
      [order],
    )
    return rows.map(({ step }) => step)
  }

  /** Runs actions that queue for the lock of the order in this sequence. Errors are outcomes. */
  async function runConcurrently(order: string, ...actions: (() => Promise<unknown>)[]): Promise<unknown[]> {
    const gate = await database.beginTransaction()
    await gate.db.query('select 1 from orders where order_id = $1 for update', [order])
    const outcomes: Promise<unknown>[] = []
    for (const [index, action] of actions.entries()) {
      outcomes.push(action().catch((error: unknown) => error))
      await until(
        `${index + 1} sessions wait for the lock`,
        async () => (await countLockWaits()) === index + 1,
      )
    }
    await gate.rollback()
    return await Promise.all(outcomes)
  }

  async function countLockWaits(): Promise<number> {
    const [row] = await database.query<{ waiting: number }>(
      `select count(*) as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return row?.waiting ?? 0
  }

  async function untilPastPlaced(order: string, further: boolean): Promise<void> {
    await until('the order has left PLACED', async () => (await statusOf(database, order)) !== 'PLACED')
    if (further) await ignoreRefusal(setStatus(database, order, 'OUT_FOR_DELIVERY'))
  }

  async function ignoreRefusal(work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => {
      if (
        !(
          error instanceof ExpectedError &&
          ['illegal-transition', 'inventory-pending', 'order-not-preparing'].includes(error.code)
        )
      )
        throw error
    })
  }

  /**
   * Inserts a second copy of each finished job of the order under a new id, as a redrive does.
   * Postgres refuses copies of unfinished ones.
   */
  async function deliverAgain(order: string): Promise<void> {
    await database.execute(
      `insert into pgboss.job (name, data, retry_limit, dead_letter, policy)
      select name, data, retry_limit, dead_letter, policy from pgboss.job where data ->> 'order_id' = $1
      on conflict do nothing`,
      [order],
    )
  }

  async function untilDrained(): Promise<void> {
    await until('the outbox and the queues are empty', async () => {
      const [row] = await database.query<{ left: number }>(
        `select (select count(*) from outbox_events where dispatched_at is null)
          + (select count(*) from pgboss.job where state < 'completed' and name ~ '^(order|inventory)\\.') as left`,
      )
      return row?.left === 0
    })
  }
})
