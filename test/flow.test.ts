import { expect } from 'chai'
import type { MenuItemReply } from '../src/inventory/stock-contract.ts'
import { startSystem, type TestSystem } from './support/system.ts'
import { until } from './support/until.ts'

describe('the flow of an order over HTTP', () => {
  let system: TestSystem
  let restaurantId: string
  let pizza: MenuItemReply

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())
  beforeEach(async () => {
    restaurantId = (await system.api.addRestaurant()).restaurant_id
    pizza = await system.api.addItem(restaurantId, 10)
  })

  it('deducts the stock of a placed order and restores it after a cancellation', async () => {
    const { api } = system
    const placed = await api.place(restaurantId, [pizza.menu_item_id, 1])
    expect(placed.status).to.equal('PLACED')
    await api.untilStatus(placed.order_id, 'PREPARING')
    expect((await api.item(pizza.menu_item_id)).available_qty).to.equal(9)

    const cancelled = await api.cancel(placed.order_id, 'changed my mind')
    expect(cancelled).to.include({ status: 'CANCELLED', cancellation_reason: 'changed my mind' })
    await api.untilStock(pizza.menu_item_id, 10)
  })

  it('delivers an order and publishes an event per step', async () => {
    const { api, database } = system
    const { order_id } = await api.place(restaurantId, [pizza.menu_item_id, 2])
    await api.untilStatus(order_id, 'PREPARING')
    await api.setStatus(order_id, 'OUT_FOR_DELIVERY')
    const delivered = await api.setStatus(order_id, 'DELIVERED')
    expect(delivered.timeline.map(step => [step.seq, step.to_status, step.actor])).to.deep.equal([
      [1, 'PLACED', 'client'],
      [2, 'PREPARING', 'system'],
      [3, 'OUT_FOR_DELIVERY', 'client'],
      [4, 'DELIVERED', 'client'],
    ])
    const events = await until('all events are dispatched', async () => {
      const rows = await database.query<{ type: string; dispatched_at: Date | null }>(
        'select type, dispatched_at from outbox_events where order_id = $1 order by event_id',
        [order_id],
      )
      return rows.every(row => row.dispatched_at) && rows
    })
    expect(events.map(({ type }) => type)).to.deep.equal([
      'order.placed.v1',
      'inventory.deducted.success.v1',
      'order.status.preparing.v1',
      'order.status.out_for_delivery.v1',
      'order.status.delivered.v1',
    ])
  })

  it('cancels an order that exceeds the stock, names the shortage and deducts nothing', async () => {
    const { api } = system
    const plenty = await api.addItem(restaurantId, 100)
    const { order_id } = await api.place(restaurantId, [plenty.menu_item_id, 1], [pizza.menu_item_id, 11])
    const order = await api.untilStatus(order_id, 'CANCELLED')
    expect(order.cancellation_reason).to.equal('OUT_OF_STOCK')
    expect(order.shortages).to.deep.equal([
      { menu_item_id: pizza.menu_item_id, name: 'Pizza', requested_qty: 11, available_qty: 10 },
    ])
    expect((await api.item(pizza.menu_item_id)).available_qty).to.equal(10)
    expect((await api.item(plenty.menu_item_id)).available_qty).to.equal(100)
  })

  it('prepares every one of 1,000 orders sent at once', async () => {
    const { api, database } = system
    const item = await api.addItem(restaurantId, 1_000)
    const placed = await Promise.all(
      Array.from({ length: 1_000 }, () => api.place(restaurantId, [item.menu_item_id, 1])),
    )
    await until('no order of them is PLACED', async () => {
      const [row] = await database.query<{ left: number }>(
        `select count(*) as left from orders where restaurant_id = $1 and status <> 'PREPARING'`,
        [restaurantId],
      )
      return row?.left === 0
    })
    expect(new Set(placed.map(({ order_id }) => order_id)).size).to.equal(1_000)
    expect((await api.item(item.menu_item_id)).available_qty).to.equal(0)
  })
})
