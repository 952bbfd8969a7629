import { expect } from 'chai'
import type { OrderReply } from '../../src/orders/order-contract.ts'
import type { Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { addMenu, deduct, eventsOf, type Menu, place, prepare } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('an order that the kitchen marks as ready', () => {
  let system: TestSystem
  let menu: Menu
  let orderId: string

  before(async () => {
    system = await startSystem(['api'])
    menu = await addMenu(system.database, 1_000)
  })
  after(() => system.stop())
  beforeEach(async () => {
    orderId = await placed()
    await deduct(system.database, orderId)
    await prepare(system.database, orderId)
  })
  afterEach(() => expectInvariants(system.database))

  const placed = () => place(system.database, menu)
  const change = (method: 'PUT' | 'DELETE', id = orderId, headers: Record<string, string> = {}) =>
    system.api.call<OrderReply & Record<string, unknown>>(
      method,
      `/api/v1/orders/${id}/ready`,
      undefined,
      headers,
    )

  async function changed(method: 'PUT' | 'DELETE'): Promise<Reply<OrderReply>> {
    const reply = await change(method)
    expect(reply.status, JSON.stringify(reply.body)).to.equal(200)
    return reply
  }

  async function eventCount(): Promise<number> {
    const events = await system.database.query('select 1 from outbox_events where order_id = $1', [orderId])
    return events.length
  }

  /** Returns what a refused call must not change. */
  async function state(): Promise<unknown> {
    const [order] = await system.database.query(
      'select status, ready_at, version, updated_at from orders where order_id = $1',
      [orderId],
    )
    return [order, await eventCount()]
  }

  it('has a ready_at, the next version and an event, and stays PREPARING', async () => {
    const { body, headers } = await changed('PUT')
    const [, , step] = body.timeline
    expect(body).to.include({ status: 'PREPARING', ready_at: step?.at, updated_at: step?.at })
    expect(step).to.include({
      seq: 3,
      from_status: 'PREPARING',
      to_status: 'PREPARING',
      fact: 'READY',
      reason: null,
      actor: 'client',
    })
    expect(headers.get('etag')).to.equal('"3"')
    expect(await system.api.order(orderId)).to.deep.equal(body)
    const [event, ...others] = await eventsOf(system.database, orderId, 'order.ready.v1')
    expect(others).to.deep.equal([])
    expect(event?.payload).to.deep.equal({
      order_id: orderId,
      restaurant_id: menu.restaurant_id,
      previous_status: 'PREPARING',
      status: 'PREPARING',
      seq: 3,
      actor: 'client',
      reason: null,
      at: body.ready_at,
    })
  })

  it('shows ready_at in lists', async () => {
    const { body } = await changed('PUT')
    const { restaurant_id } = menu
    const listed = async () => {
      const path = `/api/v1/orders?restaurant_id=${restaurant_id}&limit=100`
      const { body: orders } = await system.api.call<OrderReply[]>('GET', path)
      return orders.find(({ order_id }) => order_id === orderId)
    }
    expect(await listed()).to.include({ ready_at: body.ready_at, updated_at: body.ready_at })
    await changed('DELETE')
    expect(await listed()).to.include({ ready_at: null })
  })

  it('stays as it is when it is marked again, without a second event', async () => {
    const first = await changed('PUT')
    const before = await state()
    const again = await changed('PUT')
    expect(again.body).to.deep.equal(first.body)
    expect(again.headers.get('etag')).to.equal('"3"')
    expect(await state()).to.deep.equal(before)
  })

  it('is not ready any more when that is taken back, and can become ready again', async () => {
    const untouched = await state()
    await changed('DELETE')
    expect(await state(), 'an order that was not ready').to.deep.equal(untouched)

    const first = await changed('PUT')
    const { body, headers } = await changed('DELETE')
    expect(body).to.include({ status: 'PREPARING', ready_at: null })
    expect(headers.get('etag')).to.equal('"4"')
    const [event] = await eventsOf(system.database, orderId, 'order.unready.v1')
    expect(event?.payload).to.include({ previous_status: 'PREPARING', status: 'PREPARING', seq: 4 })
    const again = await changed('PUT')
    expect(again.body.ready_at).to.equal(again.body.updated_at)
    expect(Date.parse(String(again.body.ready_at))).to.be.at.least(Date.parse(String(first.body.ready_at)))
    expect(again.body.timeline.map(({ fact }) => fact)).to.deep.equal([
      null,
      null,
      'READY',
      'UNREADY',
      'READY',
    ])
  })

  it('keeps ready_at when it leaves, and its later events name PREPARING as the previous status', async () => {
    const { ready_at } = (await changed('PUT')).body
    const out = await system.api.setStatus(orderId, 'OUT_FOR_DELIVERY')
    expect(out).to.include({ status: 'OUT_FOR_DELIVERY', ready_at })
    const [event] = await eventsOf(system.database, orderId, 'order.status.out_for_delivery.v1')
    expect(event?.payload).to.include({ previous_status: 'PREPARING', seq: 4 })
    expect(await system.api.setStatus(orderId, 'DELIVERED')).to.include({ ready_at })
  })

  it('can be cancelled, and keeps ready_at', async () => {
    const { ready_at } = (await changed('PUT')).body
    expect(await system.api.cancel(orderId)).to.include({ status: 'CANCELLED', ready_at })
    const [event] = await eventsOf(system.database, orderId, 'order.cancelled.v1')
    expect(event?.payload).to.include({ previous_status: 'PREPARING', seq: 4 })
  })

  it('is refused in any other status, also again, and nothing changes', async () => {
    const expectRefused = async (status: string) => {
      const before = await state()
      for (const method of ['PUT', 'DELETE'] as const) {
        const { status: answer, body } = await change(method)
        expect([answer, body['code'], body['current_status']]).to.deep.equal([
          409,
          'order-not-preparing',
          status,
        ])
      }
      expect(await state()).to.deep.equal(before)
    }
    const prepared = orderId
    orderId = await placed()
    await expectRefused('PLACED')
    await system.api.cancel(orderId)
    await expectRefused('CANCELLED')
    orderId = prepared
    await changed('PUT')
    for (const status of ['OUT_FOR_DELIVERY', 'DELIVERED'] as const) {
      await system.api.setStatus(orderId, status)
      await expectRefused(status)
    }
  })

  it('changes at most 100 times, and can then leave or be cancelled', async () => {
    for (let count = 0; count < 50; count++) {
      await changed('PUT')
      await changed('DELETE')
    }
    const before = await state()
    const { status, body } = await change('PUT')
    expect(status).to.equal(409)
    expect(body).to.include({ code: 'too-many-ready-changes', limit_count: 100 })
    expect((await changed('DELETE')).headers.get('etag')).to.equal('"102"')
    expect(await state()).to.deep.equal(before)
    expect((await system.api.setStatus(orderId, 'OUT_FOR_DELIVERY')).timeline).to.have.length(103)
  })

  it('changes only at the version that If-Match names', async () => {
    const stale = await change('PUT', orderId, { 'if-match': '"1"' })
    expect([stale.status, stale.body['current_etag']]).to.deep.equal([412, '"2"'])
    expect((await change('PUT', orderId, { 'if-match': '"2"' })).status).to.equal(200)
    const excluded = await change('DELETE', orderId, { 'if-none-match': '"3"' })
    expect([excluded.status, excluded.body['code']]).to.deep.equal([412, 'precondition-failed'])
    expect((await change('DELETE', orderId, { 'if-match': '"3"' })).headers.get('etag')).to.equal('"4"')
  })

  it('gets the stored reply again with the same Idempotency-Key, whatever it has become since', async () => {
    const key = { 'idempotency-key': `ready-${orderId}` }
    const first = await change('PUT', orderId, key)
    await changed('DELETE')
    const again = await change('PUT', orderId, key)
    expect(again.headers.get('idempotency-replayed')).to.equal('true')
    expect(again.body).to.deep.equal(first.body)
    expect((await system.api.order(orderId)).ready_at).to.equal(null)
    const other = await change('DELETE', orderId, key)
    expect([other.status, other.body['code']]).to.deep.equal([422, 'idempotency-key-reused'])
  })

  it('has one transition and one event when several screens mark it at once', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => change('PUT')))
    for (const { status, headers } of replies)
      expect([status, headers.get('etag')]).to.deep.equal([200, '"3"'])
    expect(await eventsOf(system.database, orderId, 'order.ready.v1')).to.have.length(1)
  })
})
