import { expect } from 'chai'
import type { OrderReply } from '../../src/orders/order-contract.ts'
import { eventsOf } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

type Json = Record<string, unknown>

/** The texts that are refused are in wrong-values.ts. */
describe('texts that people write', () => {
  let system: TestSystem
  let restaurant: string
  let item: string

  before(async () => {
    system = await startSystem(['api'])
    restaurant = (await system.api.addRestaurant()).restaurant_id
    item = (await system.api.addItem(restaurant, 10)).menu_item_id
  })
  after(() => system.stop())

  const post = (path: string, body: object, headers?: Record<string, string>) =>
    system.api.call<Json>('POST', `/api/v1${path}`, body, headers)

  async function placed(body: Json): Promise<OrderReply> {
    const reply = await post('/orders', {
      restaurant_id: restaurant,
      items: [{ menu_item_id: item, quantity: 1 }],
      ...body,
    })
    expect(reply.status, JSON.stringify(reply.body)).to.equal(202)
    return await system.api.order(String(reply.body['order_id']))
  }

  it('accepts names in any script, with joiners and emoji, and removes whitespace at both ends', async () => {
    const names = ['Café 中華 👩‍🍳', 'نان‌وایی', 'é', '7', '…', 'שלום', '\u200bPizza']
    for (const name of names) {
      const { status, body } = await post('/inventory/add/restaurant', { name: ` \u00a0${name}\n ` })
      expect(status, name).to.equal(201)
      expect(body['name']).to.equal(name)
    }
  })

  it('keeps the line breaks of notes and reasons', async () => {
    const notes = 'no basil\r\n\textra cheese'
    const order = await placed({ notes })
    expect(order.notes).to.equal(notes)
    const { cancellation_reason } = await system.api.cancel(order.order_id, 'late\nagain')
    expect(cancellation_reason).to.equal('late\nagain')
  })

  it('publishes notes unchanged in order.placed.v1, and no property without notes', async () => {
    const notes = 'no <b>nuts</b>: "allergic"\r\n\u2066שלום\u2069 🥜 \\ \u2028'.padEnd(500, 'é')
    const [withNotes, without] = [await placed({ notes }), await placed({ notes: null })]
    const payloads = await Promise.all(
      [withNotes, without].map(({ order_id }) => eventsOf(system.database, order_id, 'order.placed.v1')),
    )
    expect(payloads[0]?.[0]?.payload).to.include({ notes })
    expect(payloads[1]?.[0]?.payload).not.to.have.property('notes')
  })

  it('treats null in an optional property as absent, also under an idempotency key', async () => {
    expect(await placed({ notes: null, customer_id: null })).to.include({ notes: null, customer_id: null })
    const body = { restaurant_id: restaurant, items: [{ menu_item_id: item, quantity: 1 }] }
    const key = { 'idempotency-key': 'null-or-absent' }
    const first = await post('/orders', body, key)
    const again = await post('/orders', { ...body, notes: null, customer_id: null }, key)
    expect(again.status).to.equal(202)
    expect(again.body['order_id']).to.equal(first.body['order_id'])

    const added = await post('/inventory/add/restaurant', { name: 'Trattoria', currency: null })
    expect(added.body).to.include({ currency: 'EUR' })
    const dish = { name: 'Soup', available_qty: 1, price: null, low_stock_threshold: null }
    expect((await post(`/inventory/add/${restaurant}/item`, dish)).body).to.include({
      price: '0.00',
      low_stock_threshold: null,
    })
    const hook = {
      url: 'https://hooks.example/comanda',
      event_types: null,
      restaurant_ids: null,
      description: null,
    }
    const { body: webhook } = await post('/webhooks', hook)
    expect(webhook).to.deep.include({ event_types: ['*'], restaurant_ids: null, description: null })
    const { order_id } = await placed({})
    const cancelled = await post(`/orders/${order_id}/cancel`, { reason: null })
    expect(cancelled.body).to.include({ cancellation_reason: 'CLIENT_REQUEST' })
  })

  it('keeps the reason of the first cancellation', async () => {
    const { order_id } = await placed({})
    await system.api.cancel(order_id, 'too late')
    const again = await system.api.cancel(order_id, 'wrong table')
    expect(again.cancellation_reason).to.equal('too late')
    expect(again.timeline.at(-1)).to.include({ to_status: 'CANCELLED', actor: 'client', reason: 'too late' })
    const patched = await system.api.setStatus(order_id, 'CANCELLED')
    expect(patched.cancellation_reason).to.equal('too late')
    expect(patched.timeline).to.have.length(2)
  })
})
