import { expect } from 'chai'
import { eventSchemas } from '../../src/events/event-schemas.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send } from './send.ts'
import { createResources, type Ids, json, operations, pathOf } from './successful-requests.ts'

const tagOf = ({ headers }: RawReply) => String(headers.etag)

function callers(baseUrl: () => string) {
  return {
    get: (path: string, headers: Record<string, string> = {}, method = 'GET') =>
      send(baseUrl(), { method, path, headers }),
    change: (path: string, body: object, headers: Record<string, string> = {}, method = 'PATCH') =>
      send(baseUrl(), { method, path, headers: { ...json, ...headers }, body: JSON.stringify(body) }),
  }
}

const ITEM_TAG = /^"\d+\.\d{16}"$/

describe('conditional requests', () => {
  let system: TestSystem
  let ids: Ids

  before(async () => {
    // Without the asynchronous pipeline, only requests change a representation.
    system = await startSystem(['api'])
    ids = await createResources(request => send(system.api.baseUrl, request))
  })
  after(() => system.stop())

  const { get, change } = callers(() => system.api.baseUrl)

  /** Paths of one representation of each kind that has an entity tag. */
  const representations = () => [
    `/api/v1/orders/${ids.order_id}`,
    `/api/v1/restaurants/${ids.restaurant_id}`,
    `/api/v1/inventory/${ids.menu_item_id}`,
    `/api/v1/webhooks/${ids.webhook_id}`,
  ]
  const documents = () => [
    '/openapi.json',
    '/asyncapi.json',
    '/docs',
    '/docs/assets/swagger-ui.min.css',
    '/problems',
    '/problems/stale-version',
    ...Object.keys(eventSchemas('')),
  ]

  function expectNotModified(reply: RawReply, tag: string, name: string): void {
    expect([reply.status, reply.text, reply.headers.etag], name).to.deep.equal([304, '', tag])
    expect(reply.headers, name).not.to.include.keys('content-type', 'content-length')
    expect(reply.headers['x-request-id'], name).to.match(/^\w/)
  }

  it('answer GET and HEAD with 304 while the representation is unchanged', async () => {
    for (const path of [...representations(), ...documents()]) {
      const first = await get(path)
      const tag = tagOf(first)
      expect(first.status, path).to.equal(200)
      expect(tag, path).to.match(/^"[\w.-]+"$/)
      expect(first.headers['cache-control'], path).to.match(/no-cache|max-age/)
      const matching = [tag, `W/${tag}`, '*', `"other", ${tag}`, `W/"other" ,W/${tag},`]
      for (const ifNoneMatch of matching) {
        for (const method of ['GET', 'HEAD']) {
          const reply = await get(path, { 'if-none-match': ifNoneMatch }, method)
          expectNotModified(reply, tag, `${method} ${path} ${ifNoneMatch}`)
          expect(reply.headers['cache-control']).to.equal(first.headers['cache-control'])
        }
      }
      for (const ifNoneMatch of ['"other"', 'W/"other", "x,y"', `"${tag.slice(1, -1)}x"`]) {
        const reply = await get(path, { 'if-none-match': ifNoneMatch })
        expect([reply.status, reply.text], `${path} ${ifNoneMatch}`).to.deep.equal([200, first.text])
      }
    }
  })

  it('answer GET with 412 when If-Match names another version, before If-None-Match is compared', async () => {
    for (const path of representations()) {
      const tag = tagOf(await get(path))
      expect((await get(path, { 'if-match': `"other", W/${tag}` })).status, path).to.equal(200)
      const stale = await get(path, { 'if-match': '"999"', 'if-none-match': tag })
      expectProblem(stale, { code: 'stale-version' })
      expect(JSON.parse(stale.text)).to.include({ current_etag: tag })
    }
  })

  it('refuse a value that is no list of entity tags with 400', async () => {
    const values = ['1', '"1', '1"', 'W/1', 'w/"1"', '*, "1"', '"1" "2"', ',', '', '""x', '"a b"']
    for (const header of ['if-match', 'if-none-match']) {
      for (const value of values) {
        for (const path of representations()) {
          const reply = await get(path, { [header]: value })
          expectProblem(reply, { code: 'precondition-invalid' })
          expect(JSON.parse(reply.text).detail).to.match(new RegExp(`^${header}.*entity tags`, 'i'))
        }
        const path = `/api/v1/restaurants/${ids.restaurant_id}`
        expectProblem(await change(path, { name: 'Other' }, { [header]: value }), {
          code: 'precondition-invalid',
        })
      }
    }
  })

  it('refuse a change with 412 when If-None-Match names the current version or any', async () => {
    const path = `/api/v1/restaurants/${ids.restaurant_id}`
    const before = await get(path)
    for (const ifNoneMatch of ['*', tagOf(before), `W/${tagOf(before)}`]) {
      const reply = await change(path, { name: 'Osteria' }, { 'if-none-match': ifNoneMatch })
      expectProblem(reply, { code: 'precondition-failed' })
      expect(JSON.parse(reply.text)).to.include({ current_etag: tagOf(before) })
    }
    expect((await get(path)).text).to.equal(before.text)
    expect((await change(path, { name: 'Osteria' }, { 'if-none-match': '"other"' })).status).to.equal(200)
    const unknown = `/api/v1/restaurants/${ids.order_id}`
    expectProblem(await change(unknown, { name: 'Osteria' }, { 'if-none-match': '*' }), {
      code: 'restaurant-not-found',
    })
  })

  it('are supported by every operation whose response has an entity tag, and by DELETE', async () => {
    const supporting = operations.filter(({ parameters }) =>
      parameters.some(({ name }) => name === 'If-Match'),
    )
    const tagged = operations.filter(
      ({ responses, successStatus }) => 'ETag' in (responses[successStatus]?.headers ?? {}),
    )
    expect(supporting.map(({ operationId }) => operationId)).to.have.members([
      ...tagged.map(({ operationId }) => operationId),
      'deleteWebhook',
      'rotateWebhookSecret',
    ])
    for (const operation of supporting) {
      const { method, body } = operation
      const reply = await send(system.api.baseUrl, {
        method,
        path: pathOf(operation, ids),
        headers: { ...(body ? json : {}), 'if-match': '"999"' },
        ...(body ? { body: JSON.stringify(body(ids)) } : {}),
      })
      expect(JSON.parse(reply.text), operation.operationId).to.include({ code: 'stale-version' })
    }
  })

  it('compare the version part of an item for a change, and the stock too for 304', async () => {
    const path = `/api/v1/inventory/${ids.menu_item_id}`
    const first = tagOf(await get(path))
    expect(first).to.match(ITEM_TAG)
    const restocked = await change(`${path}/restock`, { quantity: 1, reason: 'delivery' }, {}, 'POST')
    expect(tagOf(restocked)).not.to.equal(first)
    expect((await get(path, { 'if-none-match': first })).status).to.equal(200)
    expect((await get(path, { 'if-none-match': tagOf(restocked) })).status).to.equal(304)
    const changed = await change(path, { price: '7.00' }, { 'if-match': first })
    expect(changed.status).to.equal(200)
    expect(tagOf(changed))
      .to.match(ITEM_TAG)
      .and.to.equal(tagOf(await get(path)))
    const stale = await change(path, { price: '8.00' }, { 'if-match': first })
    expect(JSON.parse(stale.text)).to.include({ code: 'stale-version', current_etag: tagOf(changed) })
  })
})

describe('the entity tag', () => {
  let system: TestSystem
  let receiver: Receiver
  let restaurant_id: string

  before(async () => {
    system = await startSystem(undefined, undefined, { WEBHOOK_ALLOW_PRIVATE: true })
    receiver = await Receiver.start()
    ;({ restaurant_id } = await system.api.addRestaurant())
  })
  after(async () => {
    await receiver.stop()
    await system.stop()
  })

  const { get, change } = callers(() => system.api.baseUrl)

  it('of an item changes with each stock movement, even when the clock stands still', async () => {
    const item = await system.api.addItem(restaurant_id, 100)
    const path = `/api/v1/inventory/${item.menu_item_id}`
    await system.database.execute(
      `update menu_items set updated_at = clock_timestamp() + interval '1 hour' where menu_item_id = $1`,
      [item.menu_item_id],
    )
    const seen = [tagOf(await get(path))]
    for (const move of [
      () => change(`${path}/restock`, { quantity: 1, reason: 'delivery' }, {}, 'POST'),
      async () => {
        const { order_id } = await system.api.place(restaurant_id, [item.menu_item_id, 2])
        await system.api.untilStock(item.menu_item_id, 99)
        return order_id
      },
      () => change(path, { price: '7.00' }),
    ]) {
      await move()
      seen.push(tagOf(await get(path)))
    }
    expect(new Set(seen)).to.have.property('size', seen.length)
  })

  it('of a webhook changes when a delivery succeeds, and the version stays', async () => {
    const added = await change(
      '/api/v1/webhooks',
      { url: receiver.url, restaurant_ids: [restaurant_id] },
      {},
      'POST',
    )
    const { webhook_id } = JSON.parse(added.text) as { webhook_id: string }
    const path = `/api/v1/webhooks/${webhook_id}`
    const before = tagOf(await get(path))
    await change(`${path}/test`, {}, {}, 'POST')
    await until('the delivery has succeeded', async () =>
      Boolean((JSON.parse((await get(path)).text) as { last_success_at: unknown }).last_success_at),
    )
    const after = await get(path, { 'if-none-match': before })
    expect(after.status).to.equal(200)
    expect(tagOf(after)).not.to.equal(before)
    expect((await change(path, { description: 'new' }, { 'if-match': before })).status).to.equal(200)
  })
})
