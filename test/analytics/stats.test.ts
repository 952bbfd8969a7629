import { expect } from 'chai'
import { projectStats } from '../../src/analytics/project-stats.ts'
import { rebuildStats } from '../../src/analytics/rebuild-stats.ts'
import type { StatsReply } from '../../src/analytics/stats-contract.ts'
import { columnsSql, recountSql } from '../../src/analytics/stats-sql.ts'
import { cancelOrder } from '../../src/orders/cancel-order.ts'
import { quiet } from '../support/log.ts'
import {
  addMenu,
  cancel,
  deduct,
  type Menu,
  place,
  prepare,
  reject,
  setReady,
  setStatus,
} from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('the statistics of a restaurant', () => {
  let system: TestSystem
  let menu: Menu

  before(async () => {
    system = await startSystem(['api'])
  })
  beforeEach(async () => {
    menu = await addMenu(system.database, 20)
  })
  after(() => system.stop())

  /** Projects all waiting events. @returns the number of batches */
  async function project(batchCount?: number): Promise<number> {
    for (let batches = 1; ; batches++)
      if (!(await system.database.transaction(tx => projectStats(tx, quiet, batchCount)))) return batches
  }

  async function stats(query = ''): Promise<StatsReply> {
    const path = `/api/v1/restaurants/${menu.restaurant_id}/stats${query}`
    const { status, body } = await system.api.call<StatsReply>('GET', path)
    expect(status, JSON.stringify(body)).to.equal(200)
    return body
  }

  async function expectEqualToRecount(): Promise<void> {
    const counted = await system.database.query(
      `select restaurant_id, quarter_hour, ${columnsSql} from (${recountSql()}) as recount order by 1, 2`,
    )
    const projected = await system.database.query(
      `select restaurant_id, quarter_hour, ${columnsSql} from restaurant_quarter_hours order by 1, 2`,
    )
    expect(projected).to.deep.equal(counted)
    expect(counted).not.to.deep.equal([])
  }

  /**
   * Places four orders: one delivered, one cancelled by its client, one out of stock, one in
   * progress. Each is 9.50, or 100 times as much.
   */
  async function aDay(): Promise<string[]> {
    const [delivered, cancelled, open] = [
      await place(system.database, menu),
      await place(system.database, menu),
      await place(system.database, menu),
    ]
    for (const order of [delivered, cancelled]) {
      await deduct(system.database, order)
      await prepare(system.database, order)
    }
    await setStatus(system.database, delivered, 'OUT_FOR_DELIVERY')
    await setStatus(system.database, delivered, 'DELIVERED')
    await cancel(system.database, cancelled)
    const short = await place(system.database, menu, 100)
    await deduct(system.database, short)
    await reject(system.database, short)
    return [delivered, cancelled, open, short]
  }

  it('count the orders of each period with their revenue, cancellations and time in each status', async () => {
    await aDay()
    await project()
    const { totals, periods, currency } = await stats()
    expect(currency).to.equal('EUR')
    expect(totals).to.include({ orders: 4, revenue: '19.00', cancellations: 2, stock_outs: 1 })
    const { PLACED, PREPARING, OUT_FOR_DELIVERY } = totals.time_in_status
    expect([PLACED.count, PREPARING.count, OUT_FOR_DELIVERY.count]).to.deep.equal([3, 2, 1])
    expect(PREPARING.mean_seconds).to.be.within(0, 60)
    expect(periods.reduce((sum, { orders }) => sum + orders, 0)).to.equal(4)
    await expectEqualToRecount()
  })

  /** Places an order that has been PREPARING for `seconds`. */
  async function preparedSince(seconds: number): Promise<string> {
    const order = await place(system.database, menu)
    await deduct(system.database, order)
    await prepare(system.database, order)
    for (const move of [
      'update order_transitions set at = at - make_interval(secs => $2) where order_id = $1',
      `update outbox_events
      set payload = payload || jsonb_build_object('at', (payload ->> 'at')::timestamptz - make_interval(secs => $2))
      where order_id = $1 and payload ? 'at'`,
    ])
      await system.database.execute(move, [order, seconds])
    return order
  }

  it('count the time in PREPARING until the order leaves, also when it was ready meanwhile', async () => {
    for (const seconds of [600, 1_200]) {
      const order = await preparedSince(seconds)
      for (const isReady of [true, false, true]) await setReady(system.database, order, isReady)
      await setStatus(system.database, order, 'OUT_FOR_DELIVERY')
      await setStatus(system.database, order, 'DELIVERED')
    }
    await setReady(system.database, await preparedSince(6_000))
    await project()
    const { PLACED, PREPARING, OUT_FOR_DELIVERY } = (await stats()).totals.time_in_status
    expect([PLACED.count, PREPARING.count, OUT_FOR_DELIVERY.count]).to.deep.equal([3, 2, 2])
    expect(PREPARING.mean_seconds).to.be.within(900, 960)
    expect(OUT_FOR_DELIVERY.mean_seconds).to.be.within(0, 60)
    await expectEqualToRecount()
  })

  it('count the time to ready of each order once, and not while it is taken back', async () => {
    const [first, second, third] = [
      await preparedSince(100),
      await preparedSince(500),
      await preparedSince(9_000),
    ]
    for (const order of [first, second, third]) await setReady(system.database, order)
    await project()
    expect((await stats()).totals.time_to_ready.count).to.equal(3)
    await setReady(system.database, third, false)
    await setReady(system.database, second, false)
    await project()
    await setReady(system.database, second)
    await setStatus(system.database, first, 'OUT_FOR_DELIVERY')
    await cancel(system.database, second)
    await setStatus(system.database, await preparedSince(0), 'OUT_FOR_DELIVERY')
    await project()
    const { totals, periods } = await stats()
    expect(totals.time_to_ready.count).to.equal(2)
    expect(totals.time_to_ready.mean_seconds).to.be.within(300, 360)
    expect(periods.reduce((sum, { time_to_ready }) => sum + time_to_ready.count, 0)).to.equal(2)
    await expectEqualToRecount()
    await system.database.transaction(rebuildStats)
    expect((await stats()).totals).to.deep.equal(totals)
  })

  it('count an event that commits late, and no event twice, however often they are updated', async () => {
    const order = await place(system.database, menu)
    const late = await system.database.beginTransaction()
    await cancelOrder(late.db, { order_id: order, reason: 'test', trace: {} })
    await late.db.flush()
    // A later transaction is committed and counted first.
    await place(system.database, menu)
    await project()
    expect((await stats()).totals).to.include({ orders: 2, cancellations: 0, revenue: '19.00' })
    await late.commit()
    await project()
    await project()
    expect((await stats()).totals).to.include({ orders: 2, cancellations: 1, revenue: '9.50' })
    await expectEqualToRecount()
  })

  it('count an event once when it is dispatched and handled twice', async () => {
    const order = await place(system.database, menu)
    await project()
    await system.database.execute(
      'update outbox_events set dispatched_at = clock_timestamp() where order_id = $1',
      [order],
    )
    await deduct(system.database, order)
    await prepare(system.database, order)
    await prepare(system.database, order)
    await system.database.execute('update outbox_events set dispatched_at = null where order_id = $1', [
      order,
    ])
    await project()
    const { orders, time_in_status } = (await stats()).totals
    expect([orders, time_in_status.PLACED.count]).to.deep.equal([1, 1])
    await expectEqualToRecount()
  })

  it('name the time up to which events are counted while more are waiting', async () => {
    await project()
    for (let count = 0; count < 3; count++) await place(system.database, menu)
    const times = await system.database.query<{ at: Date }>(
      'select created_at as at from outbox_events where restaurant_id = $1 order by xid',
      [menu.restaurant_id],
    )
    await system.database.transaction(tx => projectStats(tx, quiet, 1))
    const { as_of, totals } = await stats()
    expect([as_of, totals.orders]).to.deep.equal([times[1]?.at.toISOString(), 2])
    const pending = 'select pending from ops.projections'
    expect(await system.database.query(pending)).to.deep.equal([{ pending: 1 }])
    await project()
    expect(Date.parse((await stats()).as_of)).to.be.above(times[2]?.at.getTime() ?? 0)
    expect(await system.database.query(pending)).to.deep.equal([{ pending: 0 }])
  })

  it('equal a recount after concurrent orders, batches of any size and a rebuild in between', async () => {
    const runs = Array.from({ length: 6 }, async (_, run) => {
      for (let count = 0; count < 3; count++) {
        const order = await place(system.database, menu, 1 + ((run + count) % 3))
        await deduct(system.database, order)
        if ((run + count) % 2) await cancel(system.database, order)
        await prepare(system.database, order)
        await reject(system.database, order)
        await project(1 + run)
        if (run === count) await system.database.transaction(rebuildStats)
        expect(await system.database.query('select * from ops.check_statistics_are_a_recount')).to.deep.equal(
          [],
        )
      }
    })
    await Promise.all(runs)
    await project(3)
    await expectEqualToRecount()
  })

  it('are rebuilt from the orders while more events are committed', async () => {
    await aDay()
    await project()
    await system.database.execute('update restaurant_quarter_hours set order_count = order_count + 7')
    const unknownRestaurant = `insert into restaurant_quarter_hours (restaurant_id, quarter_hour, ${columnsSql})
      select uuidv7(), quarter_hour, ${columnsSql} from restaurant_quarter_hours limit 1`
    await system.database.execute(unknownRestaurant)
    const [, { quarterHours, failed }] = await Promise.all([
      aDay(),
      system.database.transaction(rebuildStats),
    ])
    expect(quarterHours).to.be.above(0)
    expect(failed).to.deep.equal([])
    await project()
    await expectEqualToRecount()
  })

  it('are rebuilt from the orders when their events are pruned', async () => {
    await aDay()
    await project()
    // Everything happened 40 days ago.
    const old = "interval '40 days'"
    for (const [table, column] of [
      ['orders', 'placed_at'],
      ['order_transitions', 'at'],
    ])
      await system.database.execute(
        `update ${table} set ${column} = ${column} - ${old} where restaurant_id = $1`,
        [menu.restaurant_id],
      )
    await system.database.execute('delete from outbox_events where restaurant_id = $1', [menu.restaurant_id])
    await system.database.execute('delete from restaurant_quarter_hours')
    await system.database.transaction(rebuildStats)
    const rows = await system.database.query<{ orders: number; is_old: boolean }>(
      `select sum(order_count)::integer as orders, bool_and(quarter_hour < now() - interval '39 days') as is_old
      from restaurant_quarter_hours where restaurant_id = $1`,
      [menu.restaurant_id],
    )
    expect(rows).to.deep.equal([{ orders: 4, is_old: true }])
    await expectEqualToRecount()
  })

  it('are not counted on a logical copy of another server until they are rebuilt', async () => {
    const { database } = system
    await place(database, menu)
    await database.execute('update projection_cursors set system_identifier = 7')
    const failure = await database.transaction(tx => projectStats(tx, quiet)).catch(String)
    expect(failure).to.contain('the statistics were copied from another server: run `npm run stats:rebuild`')
    await database.transaction(rebuildStats)
    await place(database, menu)
    await project()
    await expectEqualToRecount()
  })

  it('have the exact revenue beyond the integers of JavaScript, and of 64 bits', async () => {
    const [one, two] = [await place(system.database, menu), await place(system.database, menu)]
    const set = 'update orders set total_minor = $2 where order_id = $1'
    await system.database.execute(set, [one, '9007199254740993'])
    await system.database.execute(set, [two, '0'])
    await project()
    expect((await stats()).totals.revenue).to.equal('90071992547409.93')
    const [three, four] = [await place(system.database, menu), await place(system.database, menu)]
    await system.database.execute(set, [three, '9223372036854775807'])
    await system.database.execute(set, [four, '9223372036854775807'])
    await project()
    const { totals, periods } = await stats()
    expect(totals).to.include({ orders: 4, revenue: '184557512729642926.07' })
    expect(periods.map(({ revenue }) => revenue)).to.include('184557512729642926.07')
    await expectEqualToRecount()
    expect(await system.database.query('select * from ops.check_statistics_are_a_recount')).to.deep.equal([])
    await system.database.transaction(rebuildStats)
    expect((await stats()).totals).to.deep.equal(totals)
  })
})
