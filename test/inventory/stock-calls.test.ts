import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import type { MenuItemReply } from '../../src/inventory/stock-contract.ts'
import type { Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('the inventory API', () => {
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
  const change = (body: object, headers = {}): Promise<Reply<MenuItemReply>> =>
    system.api.call('PATCH', path(), body, headers)
  const restock = (quantity: number): Promise<Reply<MenuItemReply>> =>
    system.api.call('POST', `${path()}/restock`, { quantity, reason: 'delivery' })

  async function adjust(body: object, headers = {}): Promise<Record<string, unknown>> {
    const reply = await system.api.call('POST', `${path()}/adjust`, body, headers)
    return { status: reply.status, ...reply.body }
  }

  function order(quantity: number): Promise<Reply> {
    const items = [{ menu_item_id: item.menu_item_id, quantity }]
    return system.api.call('POST', '/api/v1/orders', { restaurant_id: restaurantId, items })
  }

  /** Places an order and waits until its stock is deducted. */
  async function deduct(quantity: number): Promise<void> {
    const { order_id } = await system.api.place(restaurantId, [item.menu_item_id, quantity])
    await system.api.untilStatus(order_id, 'PREPARING')
  }

  it('restocks with a ledger row that holds the reason', async () => {
    const { status, body } = await restock(7)
    expect([status, body.available_qty]).to.deep.equal([200, 17])
    const ledger = await system.database.query(
      'select kind, delta, reason from stock_movements where menu_item_id = $1 order by movement_id',
      [item.menu_item_id],
    )
    expect(ledger).to.deep.equal([
      { kind: 'INITIAL', delta: 10, reason: null },
      { kind: 'RESTOCK', delta: 7, reason: 'delivery' },
    ])
  })

  it('restores stock of a cancelled order beyond the range of a 32-bit integer', async () => {
    const { order_id } = await system.api.place(restaurantId, [item.menu_item_id, 4])
    await system.api.untilStatus(order_id, 'PREPARING')
    await system.database.execute(
      `with filled as (
        update menu_items set available_qty = 2147483647 where menu_item_id = $1
      )
      insert into stock_movements (movement_id, restaurant_id, menu_item_id, kind, delta, reason_code)
      select uuidv7(), $2, $1, 'ADJUST', 2147483641, 'CORRECTION'`,
      [item.menu_item_id, restaurantId],
    )
    await system.api.cancel(order_id)
    await system.api.untilStock(item.menu_item_id, 2_147_483_651)
    expect(
      await system.database.query('select on_hand, ledger_qty from ops.stock where menu_item_id = $1', [
        item.menu_item_id,
      ]),
    ).to.deep.equal([{ on_hand: 2_147_483_651, ledger_qty: 2_147_483_651 }])
    expect((await restock(1)).status).to.equal(422)
  })

  it('restores stock of a cancelled order beyond the restock maximum', async () => {
    const { order_id } = await system.api.place(restaurantId, [item.menu_item_id, 4])
    await system.api.untilStatus(order_id, 'PREPARING')
    expect((await restock(999_999_994)).body.available_qty).to.equal(1_000_000_000)
    await system.api.cancel(order_id)
    await until('the stock of the order is restored', async () => {
      const { body } = await system.api.call<MenuItemReply>('GET', path())
      return body.available_qty === 1_000_000_004
    })
  })

  it('loses no restock that runs concurrently with orders', async () => {
    await Promise.all([
      ...Array.from({ length: 10 }, () => order(1)),
      ...Array.from({ length: 10 }, () => restock(3)),
    ])
    await system.api.untilStock(item.menu_item_id, 30)
  })

  it('refuses a restock that would exceed the maximum stock', async () => {
    const reply = await restock(1_000_000_000)
    expect(reply.status).to.equal(422)
    expect(JSON.stringify(reply.body)).to.include('must not be more than 999999990: 10 are in stock')
    expect((await restock(999_999_990)).body.available_qty).to.equal(1_000_000_000)
  })

  it('explains that nothing can be added when the stock is at or above the maximum', async () => {
    for (const available_qty of [1_000_000_000, 1_000_000_005]) {
      await setStock(available_qty)
      const detail = `cannot be added: ${available_qty} are in stock, and the maximum is 1000000000`
      expect((await restock(1)).body).to.have.deep.property('errors', [{ pointer: '/quantity', detail }])
    }
    await setStock(10)

    async function setStock(quantity: number): Promise<void> {
      await system.database.execute('update menu_items set available_qty = $2 where menu_item_id = $1', [
        item.menu_item_id,
        quantity,
      ])
    }
  })

  it('names the maximum, and nothing else, for a quantity beyond the safe integers', async () => {
    const detail = 'must not be more than 1000000000'
    for (const quantity of [2 ** 53, 1e300, 1_000_000_000.5])
      expect((await restock(quantity)).body).to.have.deep.property('errors', [
        { pointer: '/quantity', detail },
      ])
  })

  it('changes the properties that are sent and leaves the others and the stock unchanged', async () => {
    const { body } = await change({ price: '12.00', low_stock_threshold: 4 })
    expect(body).to.include({
      name: 'Pizza',
      price: '12.00',
      low_stock_threshold: 4,
      active: true,
      available_qty: 10,
    })
    expect((await change({ name: 'Calzone', low_stock_threshold: null })).body).to.include({
      name: 'Calzone',
      price: '12.00',
      low_stock_threshold: null,
    })
    expect(await system.api.item(item.menu_item_id)).to.include({ name: 'Calzone', price: '12.00' })
    const stock = await system.api.call('PATCH', path(), { available_qty: 99 })
    expect(stock.status).to.equal(422)
    expect((await change({})).status).to.equal(422)
    expect((await change({ price: '1.234' })).status).to.equal(422)
    expect((await system.api.call('PATCH', `/api/v1/inventory/${uuidv7()}`, { name: 'x' })).status).to.equal(
      404,
    )
  })

  it('does not change placed orders when the menu changes', async () => {
    const placed = await system.api.place(restaurantId, [item.menu_item_id, 2])
    await change({ name: 'Calzone', price: '99.00' })
    const before = await system.api.order(placed.order_id)
    expect(before).to.deep.include({ total_amount: '19.00', items: placed.items })
    await system.api.untilStatus(placed.order_id, 'PREPARING')
    const { items, total_amount } = await system.api.order(placed.order_id)
    expect({ items, total_amount }).to.deep.equal({ items: placed.items, total_amount: '19.00' })
  })

  it('accepts If-Match with the current version, which stock movements do not change', async () => {
    const { headers } = await system.api.call('GET', path())
    const ifMatch = { 'if-match': String(headers.get('etag')) }
    await deduct(1)
    await restock(1)
    expect((await change({ price: 1 }, ifMatch)).status).to.equal(200)
    const stale = await change({ price: 2 }, ifMatch)
    expect(stale.status).to.equal(412)
    expect(stale.body).to.include({ code: 'stale-version' })
    expect(stale.body)
      .to.have.property('current_etag')
      .that.matches(/^"2\.\d{16}"$/)
  })

  it('adjusts the stock up and down through the ledger', async () => {
    expect(await adjust({ quantity: -4, reason_code: 'WASTE', reason: 'dropped' })).to.deep.include({
      status: 200,
      available_qty: 6,
    })
    expect(await adjust({ quantity: 2, reason_code: 'CORRECTION' })).to.include({ available_qty: 8 })
    const ledger = await system.database.query(
      `select kind, delta, reason_code, reason from stock_movements where menu_item_id = $1
      order by movement_id`,
      [item.menu_item_id],
    )
    expect(ledger).to.deep.equal([
      { kind: 'INITIAL', delta: 10, reason_code: null, reason: null },
      { kind: 'ADJUST', delta: -4, reason_code: 'WASTE', reason: 'dropped' },
      { kind: 'ADJUST', delta: 2, reason_code: 'CORRECTION', reason: null },
    ])
  })

  it('refuses an adjustment below zero with the current stock, and changes nothing', async () => {
    expect(await adjust({ quantity: -11, reason_code: 'THEFT' })).to.include({
      status: 409,
      code: 'stock-short',
      available_qty: 10,
    })
    expect(await system.api.item(item.menu_item_id)).to.include({ available_qty: 10 })
    expect(await adjust({ quantity: -10, reason_code: 'THEFT' })).to.include({ available_qty: 0 })
  })

  it('refuses an adjustment that would exceed the maximum stock', async () => {
    const reply = await adjust({ quantity: 1_000_000_000, reason_code: 'OTHER' })
    expect(JSON.stringify(reply)).to.include('must not be more than 999999990: 10 are in stock')
  })

  it('adjusts once when a request is repeated with its key', async () => {
    const body = { quantity: -1, reason_code: 'WASTE' }
    const headers = { 'idempotency-key': uuidv7() }
    for (const replay of [1, 2])
      expect(await adjust(body, headers), `request ${replay}`).to.include({ available_qty: 9 })
  })

  it('never adjusts below zero while orders and other adjustments take stock', async () => {
    const [replies] = await Promise.all([
      Promise.all(Array.from({ length: 10 }, () => adjust({ quantity: -2, reason_code: 'WASTE' }))),
      Promise.all(Array.from({ length: 5 }, () => order(1))),
    ])
    expect(replies.map(({ status }) => status)).to.include(409)
    expect((await system.api.item(item.menu_item_id)).available_qty).to.be.at.least(0)
  })

  it('refuses orders for an inactive item or restaurant, and accepts them once it is active again', async () => {
    await change({ active: false })
    const refused = await order(1)
    expect(refused.status).to.equal(422)
    expect(refused.body['errors']).to.deep.equal([
      {
        pointer: '/items/0/menu_item_id',
        detail: 'Pizza is currently unavailable',
        inactive_until: null,
      },
    ])
    await change({ active: true })
    expect((await order(1)).status).to.equal(202)

    const restaurant = `/api/v1/restaurants/${restaurantId}`
    expect((await system.api.call('PATCH', restaurant, { active: false })).body).to.include({ active: false })
    const closed = await order(1)
    expect([closed.status, closed.body['code']]).to.deep.equal([409, 'restaurant-inactive'])
    await system.api.call('PATCH', restaurant, { active: true, name: 'Osteria' })
    expect((await order(1)).status).to.equal(202)
    expect((await system.api.call('GET', restaurant)).body).to.include({ active: true, name: 'Osteria' })
  })

  it('continues orders that were placed before the item and the restaurant were deactivated', async () => {
    const { order_id } = await system.api.place(restaurantId, [item.menu_item_id, 1])
    await change({ active: false })
    await system.api.call('PATCH', `/api/v1/restaurants/${restaurantId}`, { active: false })
    await system.api.untilStatus(order_id, 'PREPARING')
    await system.api.cancel(order_id)
    await system.api.untilStock(item.menu_item_id, 10)
  })
})
