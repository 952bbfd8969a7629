import { expect } from 'chai'
import type { Reply } from '../support/api-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('changes with If-Match', () => {
  let system: TestSystem
  let restaurantId: string
  let itemId: string

  before(async () => {
    system = await startSystem()
    restaurantId = (await system.api.addRestaurant()).restaurant_id
    itemId = (await system.api.addItem(restaurantId, 1_000)).menu_item_id
  })
  after(() => system.stop())

  async function prepared(): Promise<{ path: string; etag: string }> {
    const { order_id } = await system.api.place(restaurantId, [itemId, 1])
    await system.api.untilStatus(order_id, 'PREPARING')
    const path = `/api/v1/orders/${order_id}`
    const { headers } = await system.api.call('GET', path)
    return { path, etag: String(headers.get('etag')) }
  }

  const move = (path: string, status: string, etag: string) =>
    system.api.call('PATCH', `${path}/status`, { status }, { 'if-match': etag })
  const cancel = (path: string, etag: string) =>
    system.api.call('POST', `${path}/cancel`, {}, { 'if-match': etag })

  function expectStale(reply: Reply, current: string): void {
    expect(reply.status).to.equal(412)
    expect(reply.body).to.include({ code: 'stale-version', current_etag: current })
  }

  it('are made at the named version, and return the next', async () => {
    const { path, etag } = await prepared()
    expect(etag).to.equal('"2"')
    const moved = await move(path, 'OUT_FOR_DELIVERY', etag)
    expect(moved.status).to.equal(200)
    expect(moved.headers.get('etag')).to.equal('"3"')
    const cancelled = await cancel(path, `"1", ${moved.headers.get('etag')}`)
    expect([cancelled.status, cancelled.headers.get('etag')]).to.deep.equal([200, '"4"'])
  })

  it('are refused at any other version and change nothing', async () => {
    const { path, etag } = await prepared()
    await move(path, 'OUT_FOR_DELIVERY', '*')
    for (const stale of [etag, '"1"', '"4"', 'W/"2"', '"3.1"', '"03"', '"abc"', '"-3"']) {
      expectStale(await move(path, 'DELIVERED', stale), '"3"')
      expectStale(await cancel(path, stale), '"3"')
    }
    expect((await system.api.call('GET', path)).body['status']).to.equal('OUT_FOR_DELIVERY')
  })

  it('are made when a proxy has weakened the tag, or marked it as compressed', async () => {
    const { path } = await prepared()
    expect((await move(path, 'OUT_FOR_DELIVERY', 'W/"2"')).status).to.equal(200)
    expect((await move(path, 'DELIVERED', '"3-gzip"')).status).to.equal(200)
  })

  it('are made by one of two concurrent requests with the same version', async () => {
    const { path, etag } = await prepared()
    const replies = await Promise.all([move(path, 'OUT_FOR_DELIVERY', etag), cancel(path, etag)])
    expect(replies.map(({ status }) => status)).to.have.members([200, 412])
  })

  it('answer 404 for an unknown order', async () => {
    const { status } = await cancel(`/api/v1/orders/${itemId}`, '"1"')
    expect(status).to.equal(404)
  })
})
