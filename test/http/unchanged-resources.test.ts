import { expect } from 'chai'
import { startSystem, type TestSystem } from '../support/system.ts'
import { type RawReply, send } from './send.ts'
import { createResources, type Ids, json } from './successful-requests.ts'

describe('a PATCH that changes nothing', () => {
  let system: TestSystem
  let ids: Ids

  before(async () => {
    system = await startSystem(['api'])
    ids = await createResources(request => send(system.api.baseUrl, request))
  })
  after(() => system.stop())

  const patch = (path: string, body: object): Promise<RawReply> =>
    send(system.api.baseUrl, { method: 'PATCH', path, headers: json, body: JSON.stringify(body) })
  const get = (path: string) => send(system.api.baseUrl, { method: 'GET', path })
  const eventCount = () => system.database.query('select count(*) from outbox_events')

  /** Expects the same representation with the same tag, and no event. */
  async function expectUnchanged(path: string, body: object, read = path): Promise<void> {
    const [before, events] = [await get(read), await eventCount()]
    for (const reply of [await patch(path, body), await get(read)]) {
      expect(reply.status, reply.text).to.equal(200)
      expect([reply.headers.etag, reply.text]).to.deep.equal([before.headers.etag, before.text])
    }
    expect(await eventCount()).to.deep.equal(events)
  }

  it('keeps the entity tag and the time of an item', async () => {
    const path = `/api/v1/inventory/${ids.menu_item_id}`
    const same = { name: 'Pizza', price: 9.5, low_stock_threshold: 3, active: true }
    for (const body of [same, { price: '9.50' }, { name: ' Pizza ' }]) await expectUnchanged(path, body)
    const off = { active: false, low_stock_threshold: null }
    expect((await patch(path, off)).headers.etag).not.to.equal((await patch(path, same)).headers.etag)
    await patch(path, off)
    await expectUnchanged(path, off)
  })

  it('keeps the entity tag of a restaurant', async () => {
    const path = `/api/v1/restaurants/${ids.restaurant_id}`
    await expectUnchanged(path, { name: 'Trattoria', active: true })
    await patch(path, { active: false })
    await expectUnchanged(path, { active: false })
    await patch(path, { active: true })
  })

  it('keeps the entity tag and the times of a webhook', async () => {
    const path = `/api/v1/webhooks/${ids.webhook_id}`
    const { url, event_types, restaurant_ids, description, status } = JSON.parse((await get(path)).text)
    await expectUnchanged(path, { url, event_types, restaurant_ids, description, status })
    await patch(path, { status: 'DISABLED', description: null })
    await expectUnchanged(path, { status: 'DISABLED', description: null })
  })

  it('keeps the entity tag of an order and creates no event', async () => {
    const path = `/api/v1/orders/${ids.order_id}`
    await expectUnchanged(`${path}/status`, { status: 'PLACED' }, path)
    await patch(`${path}/status`, { status: 'CANCELLED' })
    await expectUnchanged(`${path}/status`, { status: 'CANCELLED' }, path)
  })
})
