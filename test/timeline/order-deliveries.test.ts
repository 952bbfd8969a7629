import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { type Scope, scopes } from '../../src/platform/caller.ts'
import type { TimelineReply } from '../../src/timeline/timeline-contract.ts'
import type { AddedWebhookReply } from '../../src/webhooks/webhook-contract.ts'
import { addMenu, type Menu, place } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'

describe('the deliveries in the timeline of an order', () => {
  let system: TestSystem
  let receiver: Receiver
  let menu: Menu
  let order: string
  let admin: string

  before(async () => {
    system = await startSystem(undefined, undefined, {
      AUTH_MODE: 'api-key',
      WEBHOOK_ALLOW_PRIVATE: true,
      WEBHOOK_RETRY_SECONDS: [3_600],
    })
    menu = await addMenu(system.database, 10)
    admin = await keyFor([...scopes])
    receiver = await Receiver.start()
  })
  after(async () => {
    await receiver.stop()
    await system.stop()
  })

  async function keyFor(scopes: Scope[], restaurant_ids?: string[]): Promise<string> {
    return (await createApiKey(system.database, { name: 'test', scopes, restaurant_ids })).key
  }

  async function call<Body>(method: string, path: string, key: string, body?: object): Promise<Body> {
    const headers = { authorization: `Bearer ${key}` }
    const reply = await system.api.call<Body>(method, `/api/v1${path}`, body, headers)
    expect(reply.status, JSON.stringify(reply.body)).to.be.within(200, 299)
    return reply.body
  }

  const subscribe = (restaurant_ids?: string[]) =>
    call<AddedWebhookReply>('POST', '/webhooks', admin, {
      url: receiver.url,
      event_types: ['order.placed.v1'],
      ...(restaurant_ids ? { restaurant_ids } : {}),
    })
  const deliveriesFor = async (key: string) =>
    (await call<TimelineReply>('GET', `/orders/${order}/timeline`, key)).deliveries

  it('lists deliveries with their state to the webhooks that the caller can access', async () => {
    const [all, own] = [await subscribe(), await subscribe([menu.restaurant_id])]
    receiver.answer = async ({ id }) => {
      const [row] = await system.database.query<{ webhook_id: string }>(
        'select webhook_id from webhook_deliveries where delivery_id = $1',
        [id],
      )
      return row?.webhook_id === own.webhook_id ? 503 : 204
    }
    order = await place(system.database, menu)
    const attempted = await until('both have been attempted', async () => {
      const deliveries = await deliveriesFor(admin)
      return deliveries.filter(({ attempt_count }) => attempt_count === 1).length === 2 && deliveries
    })
    const { events } = await call<TimelineReply>('GET', `/orders/${order}/timeline`, admin)
    const outcomes = attempted.map(({ webhook_id, type, event_id, state, last_status }) => ({
      webhook_id,
      type,
      event_id,
      state,
      last_status,
    }))
    const event = { type: 'order.placed.v1', event_id: events[0]?.event_id }
    expect(outcomes).to.have.deep.members([
      { webhook_id: all.webhook_id, ...event, state: 'DELIVERED', last_status: 204 },
      { webhook_id: own.webhook_id, ...event, state: 'PENDING', last_status: 503 },
    ])

    const restricted = await keyFor(['orders:read', 'webhooks:read'], [menu.restaurant_id])
    expect((await deliveriesFor(restricted)).map(({ webhook_id }) => webhook_id)).to.deep.equal([
      own.webhook_id,
    ])
    expect(await deliveriesFor(await keyFor(['orders:read']))).to.deep.equal([])

    await call('DELETE', `/webhooks/${own.webhook_id}`, admin)
    expect(await deliveriesFor(restricted)).to.deep.equal([])
    expect((await deliveriesFor(admin)).map(({ webhook_id }) => webhook_id)).to.deep.equal([all.webhook_id])
  })
})
