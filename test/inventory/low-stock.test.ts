import { expect } from 'chai'
import type { MenuItemReply } from '../../src/inventory/stock-contract.ts'
import type { Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('low stock', () => {
  let system: TestSystem
  let restaurantId: string
  let item: MenuItemReply

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())
  beforeEach(async () => {
    restaurantId = (await system.api.addRestaurant()).restaurant_id
    item = await system.api.addItem(restaurantId, 10)
  })
  afterEach(() => expectInvariants(system.database))

  const path = () => `/api/v1/inventory/${item.menu_item_id}`
  const change = (body: object): Promise<Reply<MenuItemReply>> => system.api.call('PATCH', path(), body)
  const restock = (quantity: number): Promise<Reply<MenuItemReply>> =>
    system.api.call('POST', `${path()}/restock`, { quantity, reason: 'delivery' })

  const adjust = (quantity: number): Promise<Reply<MenuItemReply>> =>
    system.api.call('POST', `${path()}/adjust`, { quantity, reason_code: 'CORRECTION' })

  function order(quantity: number): Promise<Reply> {
    const items = [{ menu_item_id: item.menu_item_id, quantity }]
    return system.api.call('POST', '/api/v1/orders', { restaurant_id: restaurantId, items })
  }

  /** Places an order and waits until its stock is deducted. */
  async function deduct(quantity: number): Promise<void> {
    const { order_id } = await system.api.place(restaurantId, [item.menu_item_id, quantity])
    await system.api.untilStatus(order_id, 'PREPARING')
  }

  async function lowStockEvents(): Promise<object[]> {
    const rows = await system.database.query<{ payload: object; order_id: unknown }>(
      `select payload - 'at' as payload, order_id from outbox_events
      where type = 'inventory.low_stock.v1' and restaurant_id = $1 order by event_id`,
      [restaurantId],
    )
    for (const { order_id } of rows) expect(order_id).to.equal(null)
    return rows.map(({ payload }) => payload)
  }

  const low = (available_qty: number) => ({
    restaurant_id: restaurantId,
    menu_item_id: item.menu_item_id,
    name: 'Pizza',
    available_qty,
    low_stock_threshold: 5,
  })

  it('emits one low-stock event when the stock falls to the threshold, and the next one after it rose', async () => {
    await change({ low_stock_threshold: 5 })
    await deduct(4)
    expect(await lowStockEvents()).to.deep.equal([])
    await deduct(1)
    await deduct(1)
    expect(await lowStockEvents()).to.deep.equal([low(5)])
    await restock(1)
    await deduct(1)
    expect(await lowStockEvents()).to.deep.equal([low(5)])
    await restock(2)
    await deduct(3)
    expect(await lowStockEvents()).to.deep.equal([low(5), low(3)])
  })

  it('emits a low-stock event at a threshold of 0 when the last portion is deducted', async () => {
    await change({ low_stock_threshold: 0 })
    await deduct(9)
    expect(await lowStockEvents()).to.deep.equal([])
    await deduct(1)
    expect(await lowStockEvents()).to.deep.equal([{ ...low(0), low_stock_threshold: 0 }])
  })

  it('emits a low-stock event when the threshold rises to the stock, and again after it was below', async () => {
    for (const low_stock_threshold of [9, 10, 12, 9, 11, null, 15]) await change({ low_stock_threshold })
    expect(await lowStockEvents()).to.deep.equal(
      [10, 11, 15].map(low_stock_threshold => ({ ...low(10), low_stock_threshold })),
    )
  })

  it('emits a low-stock event for an item that is created at or below its threshold', async () => {
    const create = async (low_stock_threshold: number | null): Promise<MenuItemReply> =>
      (
        await system.api.call<MenuItemReply>('POST', `/api/v1/inventory/add/${restaurantId}/item`, {
          name: 'Pizza',
          available_qty: 3,
          low_stock_threshold,
        })
      ).body
    expect(await create(2)).to.include({ low_since: null })
    expect(await create(null)).to.include({ low_since: null })
    expect(await lowStockEvents()).to.deep.equal([])
    const { menu_item_id, low_since } = await create(3)
    expect(low_since).to.be.a('string')
    expect(await lowStockEvents()).to.deep.equal([{ ...low(3), menu_item_id, low_stock_threshold: 3 }])
  })

  it('publishes the low-stock event of a call with the request that caused it', async () => {
    const { headers } = await change({ low_stock_threshold: 10 })
    await until('the event is dispatched', async () => {
      const rows = await system.database.query(
        `select 1 from outbox_events where type = 'inventory.low_stock.v1' and restaurant_id = $1
          and dispatched_at is not null and trace_context ->> 'request_id' = $2`,
        [restaurantId, headers.get('x-request-id')],
      )
      return rows.length === 1
    })
  })

  it('reports since when the stock is low, until it is above the threshold again', async () => {
    const lowSince = async () => (await system.api.item(item.menu_item_id)).low_since
    expect(await lowSince()).to.equal(null)
    await change({ low_stock_threshold: 9 })
    await deduct(1)
    const since = await lowSince()
    expect(since).to.be.a('string')
    await deduct(2)
    await change({ low_stock_threshold: 8 })
    expect(await lowSince()).to.equal(since)
    await restock(1)
    expect(await lowSince(), 'stock 8, threshold 8').to.equal(since)
    await restock(1)
    expect(await lowSince()).to.equal(null)
  })

  it('clears the low stock when a cancelled order is restored', async () => {
    await change({ low_stock_threshold: 5 })
    const { order_id } = await system.api.place(restaurantId, [item.menu_item_id, 6])
    await system.api.untilStatus(order_id, 'PREPARING')
    expect((await system.api.item(item.menu_item_id)).low_since).to.be.a('string')
    await system.api.cancel(order_id)
    await system.api.untilStock(item.menu_item_id, 10)
    expect((await system.api.item(item.menu_item_id)).low_since).to.equal(null)
  })

  it('lists the items of a menu with low stock, page by page', async () => {
    const second = await system.api.addItem(restaurantId, 10)
    const third = await system.api.addItem(restaurantId, 10)
    for (const { menu_item_id } of [item, third])
      await system.api.call('PATCH', `/api/v1/inventory/${menu_item_id}`, { low_stock_threshold: 10 })
    const menu = `/api/v1/restaurants/${restaurantId}/menu`
    const list = (query: string) => system.api.call<MenuItemReply[]>('GET', query)
    const ids = async (query: string) => (await list(query)).body.map(({ menu_item_id }) => menu_item_id)
    expect(await ids(`${menu}?low_stock=true`)).to.deep.equal([item.menu_item_id, third.menu_item_id])
    expect(await ids(`${menu}?low_stock=false`)).to.deep.equal([second.menu_item_id])
    const { headers } = await list(`${menu}?low_stock=true&limit=1`)
    const next = /<(.*?)>; rel="next"/.exec(String(headers.get('link')))?.[1] ?? ''
    expect(next).to.include('low_stock=true')
    expect(await ids(next)).to.deep.equal([third.menu_item_id])
    expect((await list(`${menu}?low_stock=1`)).status).to.equal(400)
  })

  it('emits a low-stock event when an adjustment takes the stock to the threshold', async () => {
    await change({ low_stock_threshold: 5 })
    await adjust(-5)
    await adjust(-1)
    expect(await lowStockEvents()).to.deep.equal([low(5)])
    await adjust(2)
    await adjust(-2)
    expect(await lowStockEvents()).to.deep.equal([low(5), low(4)])
  })

  it('emits one low-stock event for a batch, and another one after cancellations restored the stock', async () => {
    await change({ low_stock_threshold: 5 })
    const orders = await Promise.all(Array.from({ length: 10 }, () => order(1)))
    await system.api.untilStock(item.menu_item_id, 0)
    expect(await lowStockEvents()).to.have.lengthOf(1)
    for (const { body } of orders) await system.api.cancel(String(body['order_id']))
    await system.api.untilStock(item.menu_item_id, 10)
    await deduct(6)
    expect(await lowStockEvents()).to.have.lengthOf(2)
  })

  it('dispatches a low-stock event although no job consumes it', async () => {
    await change({ low_stock_threshold: 5 })
    await deduct(6)
    await until('the event is dispatched', async () => {
      const rows = await system.database.query(
        `select 1 from outbox_events where type = 'inventory.low_stock.v1' and restaurant_id = $1 and dispatched_at is not null`,
        [restaurantId],
      )
      return rows.length === 1
    })
  })
})
