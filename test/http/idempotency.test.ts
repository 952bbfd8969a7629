import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { ApiClient, type Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('requests with an Idempotency-Key', () => {
  let system: TestSystem
  let api: ApiClient
  let restaurant_id: string
  let menu_item_id: string

  before(async () => {
    system = await startSystem()
    api = system.api
    restaurant_id = (await api.addRestaurant()).restaurant_id
    menu_item_id = (await api.addItem(restaurant_id, 1_000)).menu_item_id
  })
  after(() => system.stop())

  const order = (quantity = 1) => ({ restaurant_id, items: [{ menu_item_id, quantity }] })

  async function post(path: string, body: unknown, key: string, to = api): Promise<Reply> {
    return await to.call('POST', path, body, { 'idempotency-key': key })
  }

  const place = (key: string, body: unknown = order(), to = api) => post('/api/v1/orders', body, key, to)

  async function orderCount(): Promise<number> {
    const rows = await system.database.query('select 1 from orders where restaurant_id = $1', [restaurant_id])
    return rows.length
  }

  function expectReplay(again: Reply, first: Reply): void {
    expect(again.status).to.equal(first.status)
    expect(again.body).to.deep.equal(first.body)
    expect(again.headers.get('location')).to.equal(first.headers.get('location'))
    expect(first.headers.get('idempotency-replayed')).to.equal(null)
    expect(again.headers.get('idempotency-replayed')).to.equal('true')
  }

  it('place one order when sent twice, and replay the first reply', async () => {
    const before = await orderCount()
    const key = uuidv7()
    const first = await place(key)
    expect(first.status).to.equal(202)
    await api.untilStatus(String(first.body['order_id']), 'PREPARING')
    expectReplay(await place(key), first)
    expect(await orderCount()).to.equal(before + 1)
  })

  it('are equal regardless of whitespace and the order of properties', async () => {
    const key = uuidv7()
    const first = await place(key)
    const { items } = order()
    expectReplay(await place(key, { items, restaurant_id }), first)
  })

  it('place one order when 50 arrive at once at two processes', async () => {
    const other = await startApi(testConfig, system.url, quiet)
    try {
      const before = await orderCount()
      const key = uuidv7()
      const clients = [api, new ApiClient(other.url)]
      const replies = await Promise.all(
        Array.from({ length: 50 }, (_, index) => place(key, order(), clients[index % 2])),
      )
      expect(await orderCount()).to.equal(before + 1)
      const accepted = replies.filter(({ status }) => status === 202)
      expect(new Set(accepted.map(({ body }) => body['order_id'])).size).to.equal(1)
      expect(accepted.filter(({ headers }) => !headers.has('idempotency-replayed'))).to.have.lengthOf(1)
      for (const { status, body, headers } of replies.filter(reply => !accepted.includes(reply))) {
        expect(status).to.equal(409)
        expect(body['code']).to.equal('idempotency-key-in-flight')
        expect(headers.get('retry-after')).to.match(/^\d+$/)
      }
      expect((await place(key)).body).to.deep.equal(accepted[0]?.body)
    } finally {
      await other.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  it('do not fail the other orders of a batch', async () => {
    const taken = uuidv7()
    await place(taken)
    const before = await orderCount()
    const replies = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        if (index % 3 === 0) return await place(taken, order(2))
        return index % 3 === 1 ? await place(uuidv7()) : await api.call('POST', '/api/v1/orders', order())
      }),
    )
    expect(new Set(replies.map(({ status }, index) => `${index % 3} ${status}`))).to.satisfy(
      (seen: Set<string>) => [...seen].every(each => ['0 422', '0 409', '1 202', '2 202'].includes(each)),
    )
    expect(await orderCount()).to.equal(before + 40)
  })

  it('are refused with 422 when the key was used with another body, path or method', async () => {
    const key = uuidv7()
    const { body } = await place(key)
    const id = String(body['order_id'])
    await api.untilStatus(id, 'PREPARING')
    for (const reply of [
      await place(key, order(2)),
      await post(`/api/v1/orders/${id}/cancel`, {}, key),
      await post('/api/v1/inventory/add/restaurant', { name: 'Other' }, key),
      await api.call(
        'PATCH',
        `/api/v1/orders/${id}/status`,
        { status: 'CANCELLED' },
        { 'idempotency-key': key },
      ),
    ]) {
      expect(reply.status).to.equal(422)
      expect(reply.body['code']).to.equal('idempotency-key-reused')
    }
    expect((await api.order(id)).status).to.equal('PREPARING')
  })

  it('may reuse the key after an error response', async () => {
    const key = uuidv7()
    expect(
      (await place(key, { ...order(), items: [{ menu_item_id: uuidv7(), quantity: 1 }] })).status,
    ).to.equal(422)
    expect((await place(key)).status).to.equal(202)
  })

  it('create, change and cancel once, whatever the order has become since', async () => {
    const once = uuidv7()
    const add = () => post('/api/v1/inventory/add/restaurant', { name: 'Twice' }, once)
    const added = await Promise.all([add(), add(), add()])
    const answered = added.filter(({ status }) => status === 201)
    expect(new Set(answered.map(({ body }) => body['restaurant_id'])).size).to.equal(1)

    const { order_id } = await api.place(restaurant_id, [menu_item_id, 1])
    await api.untilStatus(order_id, 'PREPARING')
    const key = { 'idempotency-key': uuidv7() }
    const move = () =>
      api.call('PATCH', `/api/v1/orders/${order_id}/status`, { status: 'OUT_FOR_DELIVERY' }, key)
    const moved = await move()
    expect(moved.status).to.equal(200)
    const cancelled = await post(`/api/v1/orders/${order_id}/cancel`, undefined, 'cancel-it')
    expect(cancelled.body['status']).to.equal('CANCELLED')
    expectReplay(await move(), moved)
    expectReplay(await post(`/api/v1/orders/${order_id}/cancel`, {}, 'cancel-it'), cancelled)
    expect((await api.order(order_id)).status).to.equal('CANCELLED')
  })

  it('store no key when their change is not committed', async () => {
    const key = uuidv7()
    await system.database.execute(`
      create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$`)
    await system.database.execute(
      'create trigger refuse before insert on outbox_events execute function refuse()',
    )
    const before = await orderCount()
    const failed = await place(key)
    await system.database.execute('drop trigger refuse on outbox_events')
    expect(failed.status).to.equal(500)
    expect(await orderCount()).to.equal(before)
    const keys = await system.database.query('select 1 from idempotency_keys where key = $1', [key])
    expect(keys).to.deep.equal([])
    expect((await place(key)).status).to.equal(202)
  })

  it('accept keys of 1 to 255 visible characters, quoted or not, and no other', async () => {
    for (const key of ['a', 'k'.repeat(255), '!~', 'weird:/?#[]@']) {
      const first = await place(key)
      expect(first.status, key).to.equal(202)
      expectReplay(await place(`"${key}"`), first)
    }
    for (const key of ['', ' ', 'k'.repeat(256), 'a b', 'é', '"', '""', '"a', 'a, b']) {
      const { status, body } = await place(key)
      expect([status, body['code']], key).to.deep.equal([400, 'idempotency-key-invalid'])
    }
  })

  it('must carry a key when it is required and the operation changes something', async () => {
    const strict = await startApi({ ...testConfig, REQUIRE_IDEMPOTENCY_KEY: true }, system.url, quiet)
    try {
      const client = new ApiClient(strict.url)
      const path = `/api/v1/orders/${uuidv7()}`
      for (const [method, at, body] of [
        ['POST', '/api/v1/orders', order()],
        ['PATCH', `${path}/status`, { status: 'CANCELLED' }],
        ['PUT', `${path}/ready`, undefined],
        ['DELETE', `${path}/ready`, undefined],
      ] as const) {
        const missing = await client.call(method, at, body)
        expect([missing.status, missing.body['code']], method).to.deep.equal([400, 'idempotency-key-missing'])
      }
      const { status, body } = await place(uuidv7(), order(), client)
      expect(status).to.equal(202)
      await client.order(String(body['order_id']))
      const { body: document } = await client.call('GET', '/openapi.json')
      expect(JSON.stringify(document)).to.include('idempotency-key-missing')
    } finally {
      await strict.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  it('violate no invariant', async () => {
    await until('all orders are decided', async () => {
      const open = await system.database.query(`select 1 from orders where status = 'PLACED'`)
      return open.length === 0
    })
    await expectInvariants(system.database)
  })
})
