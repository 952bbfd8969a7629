import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { addDemoMenu } from '../../src/inventory/add-demo-menu.ts'
import { addDemoAction } from '../../src/ops/actions/add-demo-action.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { demoIds } from '../../src/platform/demo-ids.ts'
import { addDemoWebhook } from '../../src/webhooks/add-demo-webhook.ts'
import { deduct, prepare } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { registry } from './operation-registry.ts'
import { type OpenApiDocument, type Operation, operationsOf, type Parameter } from './operations.ts'
import { ResponseValidator } from './response-validator.ts'
import { type RawReply, type RawRequest, send } from './send.ts'
import {
  addHeaders,
  createResources,
  expectSuccess,
  type Ids,
  json,
  operations,
  prepareIds,
  type RegisteredOperation,
  requestOf,
  succeed,
} from './successful-requests.ts'

describe('the API compared with its OpenAPI document', () => {
  let system: TestSystem
  let document: OpenApiDocument
  let validator: ResponseValidator

  before(async () => {
    // The test runs the pipeline step by step, so that each order has the status that a call needs.
    system = await startSystem(['api', 'operations'])
    document = (await system.api.call('GET', '/openapi.json')).body
    validator = new ResponseValidator(document)
  })
  after(() => system.stop())

  /** Calls an operation and compares the response with the document. */
  async function call(
    operationId: string,
    { id = '', body, headers = json }: { id?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<RawReply & { body: Record<string, string> }> {
    const { method, path } = validator.operation(operationId)
    const text = JSON.stringify(body) as string | undefined
    const reply = await send(system.api.baseUrl, {
      method,
      path: path.replace(/\{\w+\}/, id),
      ...(text === undefined ? { headers: headers === json ? {} : headers } : { headers, body: text }),
    })
    validator.expectDocumented(operationId, reply)
    const isJson = /json/.test(reply.headers['content-type'] ?? '')
    return { ...reply, body: (isJson ? JSON.parse(reply.text) : {}) as Record<string, string> }
  }

  const sendRequest = (request: RawRequest) => send(system.api.baseUrl, request)

  async function prepareOrder(orderId: string): Promise<void> {
    await deduct(system.database, orderId)
    await prepare(system.database, orderId)
  }

  /** @returns the id of an order that is PREPARING */
  async function prepared(): Promise<string> {
    const { order_id } = await createResources(sendRequest)
    await prepareOrder(order_id)
    return order_id
  }

  it('accepts exactly the documented methods at each path', async () => {
    const all = [...validator.operations.values()]
    for (const path of new Set(all.map(each => each.path))) {
      // A path without parameters may also be one of a path with parameters.
      const those = all.filter(each =>
        new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
      )
      const { headers } = await send(system.api.baseUrl, { method: 'OPTIONS', path })
      const documented = those.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
      expect(headers.allow?.split(', '), path).to.have.members([...documented, 'OPTIONS'])
    }
  })

  it('answers every operation with its documented success and errors', async () => {
    await callEachWithSuccess()
    await callEachWithRejection()
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

  it('accepts values up to their limits and returns them unchanged', async () => {
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
    const texts = { customer_id: '0'.repeat(100), notes: '" \\\n\t🍕'.padEnd(500, 'é') }
    const placed = await call('placeOrder', { body: { restaurant_id, items, ...texts } })
    const { body: order } = await call('getOrder', { id: placed.body['order_id'] ?? '' })
    expect(order).to.deep.include({
      ...texts,
      total_amount: '100000000000.000',
      items: [{ menu_item_id, name: 'P', price: largest.price, quantity: 100_000 }],
    })
  })

  it('accepts ids in upper case and returns them in lower case', async () => {
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
    const ids = await createResources(sendRequest)
    for (const operation of operations)
      validator.expectDocumented(
        operation.operationId,
        await succeed(operation, ids, sendRequest, prepareOrder),
      )
    await callVariants(ids)
  }

  /** Calls operations in other states and with other values than those of the registry. */
  async function callVariants({ restaurant_id, menu_item_id }: Ids): Promise<void> {
    const { order_id: id } = await createResources(sendRequest)
    const order = await call('placeOrder', {
      body: { restaurant_id, items: [{ menu_item_id, quantity: 2 }] },
    })
    expect(order.headers.location).to.equal(`/api/v1/orders/${order.body['order_id']}`)
    await call('changeMenuItem', { id: menu_item_id, body: { price: 3, low_stock_threshold: null } })
    await call('adjustStock', { id: menu_item_id, body: { quantity: 2, reason_code: 'CORRECTION' } })
    await call('cancelOrder', { id })
    await call('cancelOrder', { id, body: { reason: 'twice' } })
    await call('getOrder', { id })
    await call('changeOrderStatus', { id: await prepared(), body: { status: 'OUT_FOR_DELIVERY' } })
    const { webhook_id } = await createResources(sendRequest)
    await call('changeWebhook', { id: webhook_id, body: { status: 'DISABLED', description: null } })

    const tooMany = await call('placeOrder', {
      body: { restaurant_id, items: [{ menu_item_id, quantity: 1_000 }], customer_id: 'c', notes: 'n' },
    })
    await deduct(system.database, tooMany.body['order_id'] ?? '')
    await call('getOrder', { id: tooMany.body['order_id'] ?? '' })
  }

  /**
   * Calls an operation with every kind of rejected idempotency key, and with one that is replayed.
   */
  async function callWithKeys(operation: RegisteredOperation): Promise<void> {
    const created = await createResources(sendRequest)
    const ids = await prepareIds(operation, created, sendRequest, prepareOrder)
    const callWith = async (key: string) => {
      const reply = await sendRequest(addHeaders(requestOf(operation, ids), { 'idempotency-key': key }))
      validator.expectDocumented(operation.operationId, reply)
      return reply
    }
    await callWith('not one')

    const used = uuidv7()
    await system.database.execute(
      `insert into idempotency_keys (caller, key, fingerprint, status, headers, body)
      values ('anyone', $1, 'of another request', 200, '{}', '{}')`,
      [used],
    )
    await callWith(used)

    const key = uuidv7()
    const gate = await system.database.beginTransaction()
    await gate.db.query('lock table idempotency_keys in exclusive mode')
    const first = callWith(key)
    await until('the first request stores its reply', async () => {
      const rows = await system.database.query(
        `select 1 from pg_locks where not granted and relation = 'idempotency_keys'::regclass`,
      )
      return rows.length > 0
    })
    expect((await callWith(key)).status).to.equal(409)
    await gate.rollback()
    expectSuccess(operation, await first)
    expect((await callWith(key)).headers).to.include({ 'idempotency-replayed': 'true' })
  }

  /** Calls an operation with every kind of condition that does not hold. */
  async function callWithConditions(operation: RegisteredOperation, ids: Ids): Promise<void> {
    for (const condition of [{ 'if-match': '3' }, { 'if-match': '"999"' }, { 'if-none-match': '*' }]) {
      const reply = await sendRequest(addHeaders(requestOf(operation, ids), condition))
      validator.expectDocumented(operation.operationId, reply)
    }
  }

  async function callEachWithRejection(): Promise<void> {
    const ids = await createResources(sendRequest)
    for (const operation of operations) {
      const { operationId, method, parameters, body, resource } = operation
      const callWith = async (changes: Parameters<typeof requestOf>[2], query = '') => {
        const request = requestOf({ ...operation, query: () => query }, ids, changes)
        validator.expectDocumented(operationId, await sendRequest(request))
      }
      if (method !== 'GET') await callWithKeys(operation)
      if (parameters.some(({ name }) => name === 'If-Match')) await callWithConditions(operation, ids)
      await callWith({}, '?limit=101')
      if (parameters.some(({ name }) => name === 'cursor'))
        await callWith({}, `${operation.query?.(ids) ?? '?'}&cursor=x`)
      if (resource) await callWith({ id: uuidv7() })
      if (!body) continue
      await callWith({ body: '{"surprise":1}' })
      await callWith({ body: '{' })
      await callWith({ body: '['.repeat(33) + ']'.repeat(33) })
      await callWith({ headers: { 'content-type': 'text/plain' } })
      await callWith({ body: 'x'.repeat(1_000_000) })
    }
    await callInRejectedStates()
  }

  /** Calls operations that are rejected because of the state of their resources. */
  async function callInRejectedStates(): Promise<void> {
    await call('placeOrder', {
      body: { restaurant_id: uuidv7(), items: [{ menu_item_id: uuidv7(), quantity: 1 }] },
    })
    await call('addWebhook', { body: { url: 'https://example.com/', restaurant_ids: [uuidv7()] } })
    const { restaurant_id, menu_item_id, order_id, webhook_id, delivery_id } =
      await createResources(sendRequest)
    for (let count = 0; count < 5; count++) await call('rotateWebhookSecret', { id: webhook_id })
    const body = { reason: 'test', actor: 'ada' }
    const wrong = { kind: 'jobs.retry', filter: {} }
    await call('previewOpsAction', { body: wrong })
    await call('startOpsAction', { body: { ...body, ...wrong } })
    const none = { kind: 'quarantine.release', filter: { type: 'order.baked.v1' } }
    await call('startOpsAction', { body: { ...body, ...none, expected_count: 1 } })
    await call('pauseOpsQueue', { id: 'order.bake', body })
    await call('resumeOpsQueue', { id: 'order.bake', body })
    await call('pauseOpsWebhook', { id: webhook_id, body })
    await call('testOpsWebhook', { id: webhook_id, body })
    await system.database.execute(
      `update webhook_deliveries set state = 'DELIVERED', settled_at = now(), next_attempt_at = null`,
    )
    await call('retryOpsJob', { id: delivery_id, body })
    await call('streamOrder', { id: order_id, headers: { 'last-event-id': 'x' } })
    await call('streamRestaurant', { id: restaurant_id, headers: { 'last-event-id': 'x' } })
    await call('adjustStock', { id: menu_item_id, body: { quantity: -1_000_000, reason_code: 'THEFT' } })
    await call('changeOrderStatus', { id: order_id, body: { status: 'PREPARING' } })
    for (const quantity of [1, 2])
      await call('placeOrder', {
        body: { restaurant_id, items: [{ menu_item_id, quantity }], client_reference: 'till-1' },
      })
    await call('changeRestaurant', { id: restaurant_id, body: { active: false } })
    await call('placeOrder', { body: { restaurant_id, items: [{ menu_item_id, quantity: 1 }] } })
    const id = await prepared()
    await call('changeOrderStatus', { id, body: { status: 'PLACED' } })
    for (let count = 0; count < 100; count++)
      await call(count % 2 === 0 ? 'markOrderReady' : 'unmarkOrderReady', { id })
    await call('markOrderReady', { id })
    await system.api.setStatus(id, 'OUT_FOR_DELIVERY')
    await call('markOrderReady', { id })
    await call('unmarkOrderReady', { id })
    await system.api.setStatus(id, 'DELIVERED')
    await call('cancelOrder', { id })
    await call('streamOrder', { id, headers: { 'last-event-id': '207' } })
  }
})

describe('the examples in /docs', () => {
  let system: TestSystem

  beforeEach(async () => {
    system = await startSystem(['api', 'operations'])
    const { database } = system
    await database.transaction(addDemoMenu)
    const { order: order_id, restaurant: restaurant_id, margherita: menu_item_id } = demoIds
    const trace = { request_id: 'demo' }
    await placeOrders(database, [{ order_id, restaurant_id, items: [{ menu_item_id, quantity: 1 }], trace }])
    await database.transaction(addDemoWebhook)
    await database.transaction(addDemoAction)
    await deduct(database, order_id)
    await prepare(database, order_id)
  })
  afterEach(() => system.stop())

  /** Sends the examples of every operation. @param isFilled whether a parameter is sent */
  async function expectSuccesses(isFilled: (parameter: Parameter) => boolean): Promise<void> {
    const { body: document } = await system.api.call('GET', '/openapi.json')
    // Operations that delete a resource come last.
    const operations = operationsOf(document)
    const isLast = ({ operationId }: Operation) => registry[operationId]?.consumes !== undefined
    operations.sort((a, b) => Number(isLast(a)) - Number(isLast(b)))
    for (const { operationId, method, path, parameters, bodyExample } of operations) {
      const filled = (place: string) =>
        parameters
          .filter(parameter => parameter.in === place && isFilled(parameter))
          .map(({ name, example }): [string, string] => [name, String(example)])
      const at = filled('path').reduce((at, [name, value]) => at.replace(`{${name}}`, value), path)
      const query = String(new URLSearchParams(filled('query')))
      const headers = Object.fromEntries(filled('header'))
      const reply = await system.api.call(method, `${at}${query && `?${query}`}`, bodyExample, headers)
      expect(reply.status, `${operationId}: ${JSON.stringify(reply.body)}`).to.be.within(200, 299)
    }
  }

  it('succeed on the demo menu, as Swagger UI sends them', () =>
    expectSuccesses(({ required }) => required === true))

  it('succeed on the demo menu with every optional header and parameter, as Postman imports them', () =>
    expectSuccesses(() => true))

  it('leave the dishes of the demo menu as they are', async () => {
    const read = () => system.api.item(demoIds.margherita)
    const { name, price, low_stock_threshold, active } = await read()
    await expectSuccesses(({ required }) => required === true)
    expect(await read()).to.include({ name, price, low_stock_threshold, active })
  })
})
