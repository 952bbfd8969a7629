import { expect } from 'chai'
import type { TimelineReply } from '../../src/timeline/timeline-contract.ts'
import {
  addMenu,
  cancel,
  deduct,
  type Menu,
  place,
  prepare,
  reject,
  restore,
  setReady,
} from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('the timeline of an order', () => {
  let system: TestSystem
  let menu: Menu

  before(async () => {
    system = await startSystem(['api'])
    menu = await addMenu(system.database, 10, 5)
  })
  after(() => system.stop())

  async function timelineOf(orderId: string): Promise<TimelineReply> {
    const { status, body } = await system.api.call<TimelineReply>('GET', `/api/v1/orders/${orderId}/timeline`)
    expect(status).to.equal(200)
    return body
  }

  const eventsIn = ({ events }: TimelineReply) => events.map(({ sequence, type }) => `${sequence} ${type}`)

  it('lists transitions with actor and reason, the stock outcome and the events', async () => {
    const order = await place(system.database, menu)
    expect((await timelineOf(order)).stock).to.deep.equal({
      outcome: 'PENDING',
      deducted_at: null,
      restored_at: null,
      shortages: null,
    })
    await deduct(system.database, order)
    await prepare(system.database, order)
    const prepared = await timelineOf(order)
    expect(prepared.transitions).to.deep.equal((await system.api.order(order)).timeline)
    expect(prepared).to.include({ order_id: order, restaurant_id: menu.restaurant_id, status: 'PREPARING' })
    expect(prepared.stock).to.include({ outcome: 'DEDUCTED', restored_at: null })
    expect(prepared.stock.deducted_at).to.be.a('string')

    await cancel(system.database, order)
    expect((await timelineOf(order)).stock.outcome).to.equal('DEDUCTED')
    await restore(system.database, order)
    const cancelled = await timelineOf(order)
    expect(cancelled.stock.outcome).to.equal('RESTORED')
    expect(cancelled.stock.restored_at).to.be.a('string')
    expect(cancelled.transitions.at(-1)).to.include({
      to_status: 'CANCELLED',
      reason: 'test',
      actor: 'client',
    })
    expect(eventsIn(cancelled)).to.deep.equal([
      '1 order.placed.v1',
      '2 inventory.deducted.success.v1',
      '3 order.status.preparing.v1',
      '5 order.cancelled.v1',
    ])
  })

  it('lists READY and UNREADY as transitions that keep PREPARING, and their events in order', async () => {
    const order = await place(system.database, menu)
    await deduct(system.database, order)
    await prepare(system.database, order)
    for (const isReady of [true, false]) await setReady(system.database, order, isReady)
    await cancel(system.database, order)
    await restore(system.database, order)
    const timeline = await timelineOf(order)
    expect(
      timeline.transitions.map(({ from_status, to_status, fact }) => [from_status, to_status, fact]),
    ).to.deep.equal([
      [null, 'PLACED', null],
      ['PLACED', 'PREPARING', null],
      ['PREPARING', 'PREPARING', 'READY'],
      ['PREPARING', 'PREPARING', 'UNREADY'],
      ['PREPARING', 'CANCELLED', null],
    ])
    expect(eventsIn(timeline).slice(2)).to.deep.equal([
      '3 order.status.preparing.v1',
      '5 order.ready.v1',
      '7 order.unready.v1',
      '9 order.cancelled.v1',
    ])
  })

  it('names the shortages before the order is rejected', async () => {
    const order = await place(system.database, menu, 100)
    await deduct(system.database, order)
    const failed = await timelineOf(order)
    expect(failed).to.include({ status: 'PLACED' })
    expect(failed.stock).to.deep.include({ outcome: 'OUT_OF_STOCK', deducted_at: null })
    expect(failed.stock.shortages?.map(({ requested_qty }) => requested_qty)).to.deep.equal([100, 100])
    await reject(system.database, order)
    const rejected = await timelineOf(order)
    expect(rejected.stock).to.deep.equal(failed.stock)
    expect(rejected.transitions.at(-1)).to.include({
      to_status: 'CANCELLED',
      reason: 'OUT_OF_STOCK',
      actor: 'system',
    })
  })

  it('reports UNTOUCHED for an order that is cancelled before its deduction', async () => {
    const order = await place(system.database, menu)
    await cancel(system.database, order)
    await deduct(system.database, order)
    await restore(system.database, order)
    expect((await timelineOf(order)).stock.outcome).to.equal('UNTOUCHED')
  })

  it('keeps transitions and stock after the events are purged', async () => {
    const order = await place(system.database, menu)
    await deduct(system.database, order)
    await prepare(system.database, order)
    const before = await timelineOf(order)
    await system.database.execute('delete from outbox_events where order_id = $1', [order])
    expect(await timelineOf(order)).to.deep.equal({ ...before, events: [] })
  })
})
