import { expect } from 'chai'
import { testEventSchema } from '../../src/webhooks/test-event.ts'
import type {
  AddedWebhookReply,
  DeliveryReply,
  RotatedSecretReply,
  WebhookReply,
} from '../../src/webhooks/webhook-contract.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver, verify } from './receivers.ts'

describe('webhooks', () => {
  let system: TestSystem
  let receiver: Receiver
  let restaurant_id: string
  let menu_item_id: string

  before(async () => {
    system = await startSystem(undefined, undefined, {
      WEBHOOK_ALLOW_PRIVATE: true,
      WEBHOOK_RETRY_SECONDS: [0.05],
      PUBLIC_URL: 'https://orders.example',
    })
    ;({ restaurant_id } = await system.api.addRestaurant())
    ;({ menu_item_id } = await system.api.addItem(restaurant_id, 1_000))
  })
  after(() => system.stop())
  beforeEach(async () => {
    receiver = await Receiver.start()
  })
  afterEach(async () => {
    await system.database.execute(`update webhooks set status = 'DELETED'`)
    await receiver.stop()
  })

  const hooks = '/api/v1/webhooks'

  async function subscribe(body: object = {}, url = receiver.url): Promise<AddedWebhookReply> {
    const reply = await system.api.call<AddedWebhookReply>('POST', hooks, { url, ...body })
    expect(reply.status, JSON.stringify(reply.body)).to.equal(201)
    return reply.body
  }

  const hook = async (id: string) => (await system.api.call<WebhookReply>('GET', `${hooks}/${id}`)).body
  const deliveries = async (id: string) =>
    (await system.api.call<DeliveryReply[]>('GET', `${hooks}/${id}/deliveries?limit=100`)).body

  async function prepared(): Promise<string> {
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    await system.api.untilStatus(order_id, 'PREPARING')
    return order_id
  }

  const first = ['order.placed.v1', 'inventory.deducted.success.v1', 'order.status.preparing.v1']

  it('receive every event of an order once, in order, as a signed CloudEvent', async () => {
    const { webhook_id, secret } = await subscribe()
    const order_id = await prepared()
    for (const method of ['PUT', 'DELETE']) await system.api.call(method, `/api/v1/orders/${order_id}/ready`)
    await system.api.setStatus(order_id, 'OUT_FOR_DELIVERY')
    await system.api.cancel(order_id)
    const expected = [
      ...first,
      'order.ready.v1',
      'order.unready.v1',
      'order.status.out_for_delivery.v1',
      'order.cancelled.v1',
    ]
    await until('all events have arrived', () => receiver.typesOf(order_id).length >= expected.length)
    expect(receiver.typesOf(order_id)).to.deep.equal(expected)
    for (const received of receiver.received) {
      expect(verify(secret, received)).to.deep.equal(received.event)
      expect(received.event).to.include({ source: 'https://orders.example', specversion: '1.0' })
      expect(received.headers['content-type']).to.match(/^application\/cloudevents\+json/)
    }
    await until('all deliveries are DELIVERED', async () =>
      (await deliveries(webhook_id)).every(({ state }) => state === 'DELIVERED'),
    )
    const listed = await deliveries(webhook_id)
    expect(listed.map(({ delivery_id }) => delivery_id)).to.have.members(
      receiver.received.map(({ id }) => id),
    )
    for (const { attempts, attempt_count } of listed) {
      expect([attempt_count, attempts.length]).to.deep.equal([1, 1])
      expect(attempts[0]).to.include({ status: 204, error: null })
    }
    expect(await hook(webhook_id)).to.include({ status: 'ACTIVE', failing_since: null })
    await expectInvariants(system.database)
  })

  it('receive only the subscribed event types and restaurants', async () => {
    const other = await system.api.addRestaurant()
    const item = await system.api.addItem(other.restaurant_id, 1)
    const { webhook_id } = await subscribe({
      event_types: ['order.status.*', 'inventory.deducted.success.v1'],
      restaurant_ids: [restaurant_id],
    })
    const foreign = await system.api.place(other.restaurant_id, [item.menu_item_id, 1])
    await system.api.untilStatus(foreign.order_id, 'PREPARING')
    const order_id = await prepared()
    await until('the event has arrived', () => receiver.typesOf(order_id).length === 2)
    expect(receiver.received.map(({ event }) => event.type)).to.deep.equal(first.slice(1))
    expect((await deliveries(webhook_id)).every(each => each.order_id === order_id)).to.equal(true)
  })

  it('receive retries under the same id, and later events of the order only after them', async () => {
    await subscribe()
    let failures = 3
    receiver.answer = () => (failures-- > 0 ? { status: 503, body: 'try later' } : 200)
    const order_id = await prepared()
    await until('all events have arrived', () => receiver.typesOf(order_id).length === 6)
    expect(receiver.typesOf(order_id)).to.deep.equal([
      ...Array.from({ length: 4 }, () => first[0]),
      ...first.slice(1),
    ])
    expect(new Set(receiver.received.slice(0, 4).map(({ id }) => id)).size).to.equal(1)
    await expectInvariants(system.database)
  })

  it('list every attempt with its status, its duration and the first bytes of the response', async () => {
    const { webhook_id } = await subscribe({ event_types: ['order.placed.v1'] })
    receiver.answer = () => ({ status: receiver.received.length === 1 ? 500 : 200, body: 'é'.repeat(5_000) })
    await prepared()
    const [delivery] = await until('the delivery is DELIVERED', async () => {
      const all = await deliveries(webhook_id)
      return all[0]?.state === 'DELIVERED' && all
    })
    expect(delivery?.attempts.map(({ status }) => status)).to.deep.equal([200, 500])
    for (const attempt of delivery?.attempts ?? []) {
      expect(attempt.answer).to.equal('é'.repeat(512))
      expect(attempt.duration_ms).to.be.within(0, 15_000)
    }
  })

  it('treat a redirect as a failure and do not follow it', async () => {
    const elsewhere = await Receiver.start()
    const { webhook_id } = await subscribe({ event_types: ['order.placed.v1'] })
    receiver.answer = () => ({ status: 307, headers: { location: elsewhere.url } })
    await prepared()
    await until('two attempts were made', () => receiver.received.length >= 2)
    expect(elsewhere.connections).to.equal(0)
    expect((await deliveries(webhook_id))[0]?.attempts[0]).to.include({ status: 307 })
    await elsewhere.stop()
  })

  it('are disabled by a 410 response, which discards pending deliveries', async () => {
    const { webhook_id } = await subscribe()
    receiver.answer = () => 410
    await prepared()
    await until('the webhook is disabled', async () => (await hook(webhook_id)).status === 'DISABLED')
    expect(await hook(webhook_id)).to.include({ disabled_reason: 'GONE' })
    await until('all deliveries are discarded', async () => {
      const all = await deliveries(webhook_id)
      return all.every(({ state, reason }) => state === 'DISCARDED' && reason !== null)
    })
    const count = receiver.received.length
    await prepared()
    expect(receiver.received.length).to.equal(count)
    await expectInvariants(system.database)
  })

  it('are disabled after five days without a success', async () => {
    const { webhook_id } = await subscribe({ event_types: ['order.placed.v1'] })
    receiver.answer = () => 500
    await prepared()
    await until('the webhook is failing', async () => (await hook(webhook_id)).failing_since !== null)
    expect(await hook(webhook_id)).to.include({ status: 'ACTIVE' })
    await system.database.execute(
      `update webhooks set failing_since = now() - interval '121 hours' where webhook_id = $1`,
      [webhook_id],
    )
    await until('the webhook is disabled', async () => (await hook(webhook_id)).disabled_reason === 'FAILING')

    receiver.answer = () => 200
    const enabled = await system.api.call('PATCH', `${hooks}/${webhook_id}`, { status: 'ACTIVE' })
    expect(enabled.body).to.include({ status: 'ACTIVE', disabled_reason: null, failing_since: null })
    const order_id = await prepared()
    await until('the webhook receives events again', () => receiver.typesOf(order_id).length === 1)
  })

  it('sign with every secret for 24 hours after its rotation', async () => {
    const { webhook_id, secret } = await subscribe({ event_types: ['order.placed.v1'] })
    const rotate = () => system.api.call<RotatedSecretReply>('POST', `${hooks}/${webhook_id}/rotate-secret`)
    const first = await rotate()
    const second = await rotate()
    const order = await prepared()
    await until('the event has arrived', () => receiver.typesOf(order).length === 1)
    const [received] = receiver.received
    if (!received) throw new Error('no event has arrived')
    for (const each of [secret, first.body.secret, second.body.secret]) verify(each, received)
    expect(String(received.headers['webhook-signature']).split(' ')).to.have.length(3)
  })

  it('have at most five valid secrets', async () => {
    const { webhook_id } = await subscribe()
    const rotate = () => system.api.call<RotatedSecretReply>('POST', `${hooks}/${webhook_id}/rotate-secret`)
    const replies = []
    for (let count = 0; count < 5; count++) replies.push(await rotate())
    expect(replies.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 409])
    expect(replies.at(-1)?.body).to.include({
      code: 'too-many-secrets',
      limit_count: 5,
      expires_at: replies[0]?.body.previous_secret_until,
    })
    await system.database.execute(
      `update webhook_secrets set expires_at = clock_timestamp() where webhook_id = $1 and created_at = (
        select min(created_at) from webhook_secrets where webhook_id = $1)`,
      [webhook_id],
    )
    expect((await rotate()).status).to.equal(200)
  })

  it('sign with both secrets after a rotation until the previous one expires', async () => {
    const { webhook_id, secret } = await subscribe({ event_types: ['order.placed.v1'] })
    const rotate = () => system.api.call<RotatedSecretReply>('POST', `${hooks}/${webhook_id}/rotate-secret`)
    const { body: rotated } = await rotate()
    const one = await prepared()
    const [received] = await until(
      'the event has arrived',
      () => receiver.typesOf(one).length === 1 && receiver.received,
    )
    for (const each of [secret, rotated.secret]) if (received) verify(each, received)
    await system.database.execute(
      'update webhook_secrets set expires_at = now() where webhook_id = $1 and expires_at is not null',
      [webhook_id],
    )
    const two = await prepared()
    await until('the event has arrived', () => receiver.typesOf(two).length === 1)
    const last = receiver.received.at(-1)
    if (!last) throw new Error('no event has arrived')
    verify(rotated.secret, last)
    expect(() => verify(secret, last)).to.throw('No matching signature')
  })

  it('send a test event once, also while they are disabled', async () => {
    const { webhook_id, secret } = await subscribe()
    await system.api.call('PATCH', `${hooks}/${webhook_id}`, { status: 'DISABLED' })
    receiver.answer = () => 500
    const { status, body } = await system.api.call<DeliveryReply>('POST', `${hooks}/${webhook_id}/test`)
    expect([status, body.type, body.state]).to.deep.equal([202, 'webhook.test', 'PENDING'])
    await until(
      'the test delivery is DISCARDED',
      async () => (await deliveries(webhook_id))[0]?.state === 'DISCARDED',
    )
    expect((await deliveries(webhook_id))[0]?.reason).to.equal('sent once: the receiver answered 500')
    const [received] = receiver.received
    expect(receiver.received).to.have.lengthOf(1)
    if (received) verify(secret, received)
    expect(received?.event).to.deep.include({ type: 'webhook.test', subject: `webhooks/${webhook_id}` })
    expect(testEventSchema.strict().parse(received?.event)).to.deep.equal(received?.event)
  })

  it('redeliver on request under the same id', async () => {
    const { webhook_id } = await subscribe({ event_types: ['order.placed.v1'] })
    await prepared()
    const [delivery] = await until('the delivery is DELIVERED', async () => {
      const all = await deliveries(webhook_id)
      return all[0]?.state === 'DELIVERED' && all
    })
    const path = `${hooks}/${webhook_id}/deliveries/${delivery?.delivery_id}/redeliver`
    expect((await system.api.call('POST', path)).status).to.equal(202)
    await until('the delivery has arrived again', () => receiver.received.length === 2)
    expect(new Set(receiver.received.map(({ id }) => id)).size).to.equal(1)
    await until(
      'the second attempt is recorded',
      async () => (await deliveries(webhook_id))[0]?.attempt_count === 2,
    )
  })

  it('lose their secrets and pending deliveries when they are deleted', async () => {
    const { webhook_id } = await subscribe()
    receiver.answer = () => 500
    await prepared()
    await until('one attempt was made', () => receiver.received.length > 0)
    expect((await system.api.call('DELETE', `${hooks}/${webhook_id}`)).status).to.equal(204)
    expect((await system.api.call('GET', `${hooks}/${webhook_id}`)).status).to.equal(404)
    expect((await system.api.call('DELETE', `${hooks}/${webhook_id}`)).status).to.equal(404)
    await until('all deliveries are discarded', async () => {
      const open = await system.database.query(
        `select 1 from webhook_deliveries where webhook_id = $1 and state <> 'DISCARDED'`,
        [webhook_id],
      )
      return open.length === 0
    })
    expect(
      await system.database.query('select secret from webhook_secrets where webhook_id = $1', [webhook_id]),
    ).to.deep.equal([])
  })

  it('are not delayed by an endpoint that does not respond', async () => {
    const slow = await Receiver.start()
    slow.answer = () => undefined
    await subscribe({}, slow.url)
    await subscribe()
    const orders = await Promise.all(Array.from({ length: 30 }, () => prepared()))
    await until('the other endpoint has received all events', () =>
      orders.every(order => receiver.typesOf(order).length === 3),
    )
    for (const order of orders) expect(receiver.typesOf(order)).to.deep.equal(first)
    expect(slow.received.length).to.be.within(1, 10)
    await slow.stop()
  })
})
