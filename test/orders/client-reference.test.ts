import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import type { Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('an order with a client_reference', () => {
  let system: TestSystem
  let restaurant_id: string
  let menu_item_id: string

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())
  beforeEach(async () => {
    restaurant_id = (await system.api.addRestaurant()).restaurant_id
    menu_item_id = (await system.api.addItem(restaurant_id, 1_000)).menu_item_id
  })
  afterEach(() => expectInvariants(system.database))

  const order = (client_reference?: string, quantity = 1) => ({
    restaurant_id,
    items: [{ menu_item_id, quantity }],
    ...(client_reference === undefined ? {} : { client_reference }),
  })

  function place(body: object, key?: string): Promise<Reply> {
    return system.api.call(
      'POST',
      '/api/v1/orders',
      body,
      key === undefined ? {} : { 'idempotency-key': key },
    )
  }

  function expectReplay(again: Reply, first: Reply): void {
    expect(again.status).to.equal(202)
    expect(again.body).to.deep.equal(first.body)
    expect(again.headers.get('location')).to.equal(first.headers.get('location'))
    expect(again.headers.get('idempotency-replayed')).to.equal('true')
  }

  async function orderCount(): Promise<number> {
    const rows = await system.database.query('select from orders where restaurant_id = $1', [restaurant_id])
    return rows.length
  }

  it('is placed once, and its reply is repeated when it has moved on', async () => {
    const first = await place(order('till-1'))
    expect(first.status).to.equal(202)
    expect(first.body['client_reference']).to.equal('till-1')
    expect(first.headers.get('idempotency-replayed')).to.equal(null)
    await system.api.untilStatus(String(first.body['order_id']), 'PREPARING')
    expectReplay(await place(order('till-1')), first)
    expect(await orderCount()).to.equal(1)
  })

  it('is placed twice without it', async () => {
    await place(order())
    await place(order())
    expect(await orderCount()).to.equal(2)
  })

  it('gets its first reply when the menu would refuse it now', async () => {
    const key = uuidv7()
    const first = await place(order('till-1'))
    const keyed = await place(order(), key)
    const item = `/api/v1/inventory/${menu_item_id}`
    expect((await system.api.call('PATCH', item, { active: false })).status).to.equal(200)
    expectReplay(await place(order('till-1')), first)
    expectReplay(await place(order(), key), keyed)
    expect((await place(order('till-2'))).status).to.equal(422)
    await system.api.call('PATCH', `/api/v1/restaurants/${restaurant_id}`, { active: false })
    expectReplay(await place(order('till-1')), first)
    expect(await orderCount()).to.equal(2)
  })

  it('is refused with another body, naming the order', async () => {
    const first = await place(order('till-1'))
    const other = await place(order('till-1', 2))
    expect(other.status).to.equal(409)
    expect(other.body).to.include({
      code: 'client-reference-reused',
      order_id: first.body['order_id'],
    })
    expect(await orderCount()).to.equal(1)
  })

  it('is placed once by requests at the same time', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => place(order('till-1'))))
    expect(new Set(replies.map(({ status }) => status))).to.deep.equal(new Set([202]))
    expect(new Set(replies.map(({ body }) => body['order_id'])).size).to.equal(1)
    expect(await orderCount()).to.equal(1)
  })

  it('is independent of the same reference at another restaurant', async () => {
    const first = await place(order('till-1'))
    restaurant_id = (await system.api.addRestaurant()).restaurant_id
    menu_item_id = (await system.api.addItem(restaurant_id, 10)).menu_item_id
    const second = await place(order('till-1'))
    expect(second.status).to.equal(202)
    expect(second.body['order_id']).not.to.equal(first.body['order_id'])
  })

  it('is found by it', async () => {
    const { body } = await place(order('till-1'))
    await place(order('till-2'))
    await place(order())
    const found = await system.api.call(
      'GET',
      `/api/v1/orders?client_reference=till-1&restaurant_id=${restaurant_id}`,
    )
    expect(found.body).to.have.length(1)
    expect(found.body).to.have.nested.property('[0].order_id', body['order_id'])
    expect(found.body).to.have.nested.property('[0].client_reference', 'till-1')
    const read = await system.api.call('GET', `/api/v1/orders/${String(body['order_id'])}`)
    expect(read.body).to.include({ client_reference: 'till-1' })
    const none = await system.api.call(
      'GET',
      `/api/v1/orders?client_reference=till-1&restaurant_id=${restaurant_id}&customer_id=nobody`,
    )
    expect(none.body).to.deep.equal([])
  })

  it('uses neither key nor reference when either was used before', async () => {
    const [used, unused] = [uuidv7(), uuidv7()]
    await place(order('till-1'), used)
    // The key belongs to another body: the reference stays unused.
    expect((await place(order('till-2'), used)).body['code']).to.equal('idempotency-key-reused')
    expect((await place(order('till-2', 3))).status).to.equal(202)
    // The reference belongs to another body: the key stays unused.
    expect((await place(order('till-1', 5), unused)).body['code']).to.equal('client-reference-reused')
    expect((await place(order('till-3'), unused)).status).to.equal(202)
    expect(await orderCount()).to.equal(3)
  })

  it('does not fail others when one key is used for two references at once', async () => {
    const key = uuidv7()
    const others = Array.from({ length: 10 }, (_, index) => place(order(`other-${index}`)))
    const rivals = await Promise.all([place(order('till-1'), key), place(order('till-2'), key)])
    for (const { status } of await Promise.all(others)) expect(status).to.equal(202)
    expect(rivals.filter(({ status }) => status === 202)).to.have.length(1)
    expect(await orderCount()).to.equal(11)
  })
})
