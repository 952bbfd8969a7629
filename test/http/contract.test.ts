import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { addDemoMenu } from '../../src/inventory/add-demo-menu.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { demoIds } from '../../src/platform/demo-ids.ts'
import { addDemoWebhook } from '../../src/webhooks/add-demo-webhook.ts'
import { deduct, prepare } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { exampleOf, type OpenApiDocument, type Operation, operationsOf } from './operations.ts'
import { ResponseValidator } from './response-validator.ts'
import { type RawReply, send } from './send.ts'

const json = { 'content-type': 'application/json' }

describe('a running API against its document', () => {
  let system: TestSystem
  let document: OpenApiDocument
  let validator: ResponseValidator

  before(async () => {
    // The slow path is walked by hand, so that each order is in the status that a call needs.
    system = await startSystem(['api'])
    document = (await system.api.call('GET', '/openapi.json')).body
    validator = new ResponseValidator(document)
  })
  after(() => system.stop())

  /** Calls an operation and holds the answer against the document. */
  async function call(
    operationId: string,
    {
      id = '',
      query = '',
      body,
      headers = json,
    }: { id?: string | string[]; query?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<RawReply & { body: Record<string, string> }> {
    const { method, path } = validator.operation(operationId)
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const reply = await send(system.api.baseUrl, {
      method,
      path: [id].flat().reduce((at, each) => at.replace(/\{\w+\}/, each), path) + query,
      ...(text === undefined ? { headers: headers === json ? {} : headers } : { headers, body: text }),
    })
    validator.expectDocumented(operationId, reply)
    const isJson = /json/.test(reply.headers['content-type'] ?? '')
    return { ...reply, body: (isJson ? JSON.parse(reply.text) : {}) as Record<string, string> }
  }

  async function placed(): Promise<string> {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    return order_id
  }

  async function prepared(): Promise<string> {
    const order_id = await placed()
    await deduct(system.database, order_id)
    await prepare(system.database, order_id)
    return order_id
  }

  it('takes the methods that are documented at each path', async () => {
    for (const [path, those] of Map.groupBy(validator.operations.values(), ({ path }) => path)) {
      const { headers } = await send(system.api.baseUrl, { method: 'OPTIONS', path })
      const documented = those.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
      expect(headers.allow?.split(', '), path).to.have.members([...documented, 'OPTIONS'])
    }
  })

  it('answers every operation as documented, and with every refusal that is', async () => {
    await callEachWithSuccess()
    await callEachWithRefusal()
    const documented = [...validator.operations.values()].flatMap(({ operationId, responses }) =>
      Object.entries(responses)
        .filter(([status]) => Number(status) < 500)
        .flatMap(([status, { content }]) =>
          Object.keys(content['application/problem+json']?.examples ?? { [status]: 1 }),
        )
        .map(answer => `${operationId} ${answer}`),
    )
    expect([...validator.seen]).to.have.members(documented)
  })

  it('takes values up to their limits, and gives them back as they came', async () => {
    const restaurant = await call('addRestaurant', { body: { name: '店'.repeat(200), currency: 'KWD' } })
    const { restaurant_id = '' } = restaurant.body
    expect(restaurant.body['name']).to.equal('店'.repeat(200))
    const largest = { price: '1000000.000', available_qty: 1_000_000_000, low_stock_threshold: 1_000_000_000 }
    const item = await call('addMenuItem', { id: restaurant_id, body: { name: 'P', ...largest } })
    expect(item.body).to.include(largest)
    const least = { available_qty: 0, low_stock_threshold: 0, price: 0 }
    const free = await call('addMenuItem', { id: restaurant_id, body: { name: 'P', ...least } })
    expect(free.body).to.include({ ...least, price: '0.000' })

    const { menu_item_id = '' } = item.body
    const items = Array.from({ length: 100 }, () => ({ menu_item_id, quantity: 1_000 }))
    const texts = { customer_id: '0'.repeat(100), notes: '\u0001 "\\\n🍕'.padEnd(500, 'é') }
    const placed = await call('placeOrder', { body: { restaurant_id, items, ...texts } })
    const { body: order } = await call('getOrder', { id: placed.body['order_id'] ?? '' })
    expect(order).to.deep.include({
      ...texts,
      total_amount: '100000000000.000',
      items: [{ menu_item_id, name: 'P', price: largest.price, quantity: 100_000 }],
    })
  })

  it('takes ids in either case for the same, and gives them in lower case', async () => {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const { body: order } = await call('placeOrder', {
      body: {
        restaurant_id: restaurant_id.toUpperCase(),
        items: [
          { menu_item_id, quantity: 1 },
          { menu_item_id: menu_item_id.toUpperCase(), quantity: 2 },
        ],
      },
    })
    expect(order).to.deep.include({
      restaurant_id,
      items: [{ menu_item_id, name: 'Pizza', price: '9.50', quantity: 3 }],
    })
    const upper = await call('getOrder', { id: order['order_id']?.toUpperCase() ?? '' })
    expect(upper.body['order_id']).to.equal(order['order_id'])
    await call('getMenuItem', { id: menu_item_id.toUpperCase() })
  })

  async function callEachWithSuccess(): Promise<void> {
    const name = 'Trattoria'
    const restaurant = await call('addRestaurant', { body: { name } })
    const { restaurant_id = '' } = restaurant.body
    const item = await call('addMenuItem', { id: restaurant_id, body: { name, available_qty: 5 } })
    const { menu_item_id = '' } = item.body
    await call('getMenuItem', { id: menu_item_id })
    const items = [{ menu_item_id, quantity: 2 }]
    const order = await call('placeOrder', { body: { restaurant_id, items } })
    const { order_id: id = '' } = order.body
    expect(order.headers.location).to.equal(`/api/v1/orders/${id}`)
    await call('getOrder', { id })
    await call('getOrderTimeline', { id })
    await call('getStats', { id: restaurant_id })
    await call('streamOrder', { id })
    await call('streamRestaurant', { id: restaurant_id })
    await call('listOrders', { query: `?restaurant_id=${restaurant_id}` })
    await call('listRestaurants')
    await call('getMenu', { id: restaurant_id })
    await call('getRestaurant', { id: restaurant_id })
    await call('changeRestaurant', { id: restaurant_id, body: { name: 'Osteria', active: true } })
    await call('changeMenuItem', { id: menu_item_id, body: { price: 3, low_stock_threshold: null } })
    await call('restockItem', { id: menu_item_id, body: { quantity: 2, reason: 'delivery' } })
    await call('cancelOrder', { id })
    await call('cancelOrder', { id, body: { reason: 'twice' } })
    await call('getOrder', { id })
    await call('changeOrderStatus', { id: await prepared(), body: { status: 'OUT_FOR_DELIVERY' } })

    const url = 'https://example.com/hooks'
    const hook = await call('addWebhook', { body: { url, restaurant_ids: [restaurant_id] } })
    const { webhook_id = '' } = hook.body
    await call('listWebhooks')
    await call('getWebhook', { id: webhook_id })
    await call('changeWebhook', { id: webhook_id, body: { status: 'DISABLED', description: null } })
    await call('rotateWebhookSecret', { id: webhook_id })
    const test = await call('testWebhook', { id: webhook_id })
    await call('listWebhookDeliveries', { id: webhook_id })
    await call('redeliverWebhookDelivery', { id: [webhook_id, test.body['delivery_id'] ?? ''] })
    await call('deleteWebhook', { id: webhook_id })

    const tooMany = await call('placeOrder', {
      body: { restaurant_id, items: [{ menu_item_id, quantity: 6 }], customer_id: 'c', notes: 'n' },
    })
    await deduct(system.database, tooMany.body['order_id'] ?? '')
    await call('getOrder', { id: tooMany.body['order_id'] ?? '' })
  }

  /** Each of the refusals that a key can meet with. */
  async function callWithKeys(operationId: string): Promise<void> {
    const withKey = (key: string) => ({ ...json, 'idempotency-key': key })
    const { id, body } = await callable(operationId)
    await call(operationId, { id, body, headers: withKey('not one') })

    const used = uuidv7()
    await system.database.execute(
      `insert into idempotency_keys (caller, key, fingerprint, status, headers, body)
      values ('anyone', $1, 'of another request', 200, '{}', '{}')`,
      [used],
    )
    await call(operationId, { id, body, headers: withKey(used) })

    const headers = withKey(uuidv7())
    const gate = await system.database.beginTransaction()
    await gate.db.query('lock table idempotency_keys in exclusive mode')
    const first = call(operationId, { id, body, headers })
    await until('the first is about to be remembered', async () => {
      const rows = await system.database.query(
        `select 1 from pg_locks where not granted and relation = 'idempotency_keys'::regclass`,
      )
      return rows.length > 0
    })
    expect((await call(operationId, { id, body, headers })).status).to.equal(409)
    await gate.rollback()
    expect((await first).status).to.be.below(300)
    expect((await call(operationId, { id, body, headers })).headers).to.include({
      'idempotency-replayed': 'true',
    })
  }

  /** What makes the operation succeed. */
  async function callable(operationId: string): Promise<{ id: string | string[]; body: unknown }> {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const body = exampleOf(document, validator.operation(operationId).bodySchema ?? {})
    if (operationId === 'placeOrder') {
      return { id: '', body: { restaurant_id, items: [{ menu_item_id, quantity: 1 }] } }
    }
    if (['addMenuItem', 'changeRestaurant'].includes(operationId)) return { id: restaurant_id, body }
    if (['changeMenuItem', 'restockItem'].includes(operationId)) return { id: menu_item_id, body }
    if (operationId === 'addWebhook') {
      return { id: '', body: { url: 'https://example.com/', restaurant_ids: [restaurant_id] } }
    }
    if (validator.operation(operationId).path.includes('{webhook_id}')) {
      const hook = await call('addWebhook', { body: { url: 'https://example.com/' } })
      const { webhook_id = '' } = hook.body
      const test = await call('testWebhook', { id: webhook_id })
      return { id: [webhook_id, test.body['delivery_id'] ?? ''], body: body && { description: 'new' } }
    }
    return { id: await prepared(), body }
  }

  async function callEachWithRefusal(): Promise<void> {
    const body = { surprise: 1 }
    for (const { operationId, method, path, parameters, bodySchema } of validator.operations.values()) {
      const id = [uuidv7(), uuidv7()]
      const right = bodySchema && exampleOf(document, bodySchema)
      if (method !== 'GET') await callWithKeys(operationId)
      if (parameters.some(({ in: place }) => place === 'query')) {
        const { restaurant_id } = await system.api.addRestaurant()
        const isHook = path.includes('{webhook_id}')
        const listed = isHook ? (await callable(operationId)).id : restaurant_id
        await call(operationId, { id: listed, query: '?limit=101' })
        await call(operationId, { id: listed, query: '?cursor=x' })
      }
      if (parameters.some(({ in: place }) => place === 'path')) await call(operationId, { id, body: right })
      if (!bodySchema) continue
      await call(operationId, { id, body })
      await call(operationId, { id, body: '{' })
      await call(operationId, { id, body: '['.repeat(33) + ']'.repeat(33) })
      await call(operationId, { id, body, headers: {} })
      await call(operationId, { id, body: 'x'.repeat(1_000_000) })
    }
    await call('placeOrder', {
      body: { restaurant_id: uuidv7(), items: [{ menu_item_id: uuidv7(), quantity: 1 }] },
    })
    const stale = { ...json, 'if-match': '"7"' }
    await call('changeOrderStatus', { id: await placed(), body: { status: 'CANCELLED' }, headers: stale })
    await call('addWebhook', { body: { url: 'https://example.com/', restaurant_ids: [uuidv7()] } })
    await call('changeWebhook', { ...(await callable('changeWebhook')), headers: stale })
    await call('cancelOrder', { id: await placed(), body: {}, headers: stale })
    await call('streamOrder', { id: await placed(), headers: { 'last-event-id': 'x' } })
    const closed = await system.api.addRestaurant()
    await call('streamRestaurant', { id: closed.restaurant_id, headers: { 'last-event-id': 'x' } })
    const item = await system.api.addItem(closed.restaurant_id, 1)
    await call('changeMenuItem', { id: item.menu_item_id, body: { active: true }, headers: stale })
    await call('changeRestaurant', { id: closed.restaurant_id, body: { active: true }, headers: stale })
    await call('changeRestaurant', { id: closed.restaurant_id, body: { active: false } })
    await call('placeOrder', {
      body: {
        restaurant_id: closed.restaurant_id,
        items: [{ menu_item_id: item.menu_item_id, quantity: 1 }],
      },
    })
    await call('changeOrderStatus', { id: await placed(), body: { status: 'PREPARING' } })
    const id = await prepared()
    await call('changeOrderStatus', { id, body: { status: 'PLACED' } })
    await system.api.setStatus(id, 'OUT_FOR_DELIVERY')
    await system.api.setStatus(id, 'DELIVERED')
    await call('cancelOrder', { id })
  }
})

describe('the examples of /docs on the demo menu', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'])
    const { database } = system
    await database.transaction(addDemoMenu)
    const { order: order_id, restaurant: restaurant_id, margherita: menu_item_id } = demoIds
    const trace = { request_id: 'demo' }
    await placeOrders(database, [{ order_id, restaurant_id, items: [{ menu_item_id, quantity: 1 }], trace }])
    await database.transaction(addDemoWebhook)
    await deduct(database, order_id)
    await prepare(database, order_id)
  })
  after(() => system.stop())

  it('work at the first click, each of them', async () => {
    const { body: document } = await system.api.call('GET', '/openapi.json')
    // What deletes comes last.
    const operations = operationsOf(document)
    const isLast = ({ method }: Operation) => method === 'DELETE'
    operations.sort((a, b) => Number(isLast(a)) - Number(isLast(b)))
    for (const { operationId, method, path, parameters, bodySchema } of operations) {
      const filled = parameters.reduce(
        (at, { name, schema }) => at.replace(`{${name}}`, String(exampleOf(document, schema))),
        path,
      )
      const body = bodySchema && exampleOf(document, bodySchema)
      const reply = await system.api.call(method, filled, body)
      expect(reply.status, `${operationId}: ${JSON.stringify(reply.body)}`).to.be.within(200, 299)
    }
  })
})
