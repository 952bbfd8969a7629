import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { eventSchemas } from '../../src/events/event-schemas.ts'
import { apiKeyAuthenticator, createApiKey, revokeApiKey } from '../../src/http/auth/api-keys.ts'
import { type Scope, scopes } from '../../src/platform/caller.ts'
import { deduct, prepare } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { operationsOf } from './operations.ts'
import { type RawReply, type RawRequest, send } from './send.ts'
import {
  addHeaders,
  createResources,
  expectSuccess,
  type Ids,
  operationNamed,
  operations,
  prepareIds,
  type RegisteredOperation,
  requestOf,
} from './successful-requests.ts'

describe('authorisation by API key', () => {
  let system: TestSystem
  let own: Ids
  let foreign: Ids
  let admin: string
  /** Required scope by operationId, as documented. */
  let needed: Map<string, string>

  before(async () => {
    system = await startSystem(['api', 'operations'], undefined, {
      AUTH_MODE: 'api-key',
      FAILED_LOGINS_PER_MINUTE: 0,
    })
    admin = await keyFor([...scopes])
    own = await createResources(sendAsAdmin)
    foreign = await createResources(sendAsAdmin)
    const document = await get('/openapi.json', admin)
    needed = new Map(
      operationsOf(JSON.parse(document.text) as object).map(({ operationId, scope }) => [
        operationId,
        scope ?? '',
      ]),
    )
  })
  after(() => system.stop())

  async function keyFor(scopes: Scope[], restaurant_ids?: string[]): Promise<string> {
    return (await createApiKey(system.database, { name: 'test', scopes, restaurant_ids })).key
  }

  const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
  const get = (path: string, key: string) =>
    send(system.api.baseUrl, { method: 'GET', path, headers: bearer(key) })

  function sendAsAdmin(request: RawRequest): Promise<RawReply> {
    return send(system.api.baseUrl, addHeaders(request, bearer(admin)))
  }

  async function prepareOrder(orderId: string): Promise<void> {
    await deduct(system.database, orderId)
    await prepare(system.database, orderId)
  }

  /**
   * Sends a request that succeeds when the caller is authorised for the operation and the
   * resources.
   */
  async function perform(
    operation: RegisteredOperation,
    ids: Ids,
    headers: Record<string, string>,
  ): Promise<RawReply> {
    const targets = ids === own ? await prepareIds(operation, own, sendAsAdmin, prepareOrder) : ids
    return await send(system.api.baseUrl, addHeaders(requestOf(operation, targets), headers))
  }

  it('has a documented scope for each operation', () => {
    expect([...needed.keys()]).to.have.members(operations.map(({ operationId }) => operationId))
    for (const [operationId, scope] of needed) expect(scopes, operationId).to.include(scope)
  })

  it('answers 401 to a missing or an invalid key', async () => {
    const revoked = await createApiKey(system.database, { name: 'test', scopes: [...scopes] })
    await revokeApiKey(system.database, revoked.key_id)
    const unauthenticated: Record<string, string>[] = [
      {},
      bearer(''),
      bearer('comanda_'),
      bearer(`comanda_${'A'.repeat(43)}`),
      bearer(`${admin}x`),
      bearer(admin.slice(0, -1)),
      bearer(`${admin}, ${admin}`),
      bearer('x'.repeat(5_000)),
      bearer(revoked.key),
      { authorization: admin },
      { authorization: `Basic ${Buffer.from(`x:${admin}`).toString('base64')}` },
      { cookie: `authorization=Bearer ${admin}` },
    ]
    for (const operation of operations) {
      for (const headers of unauthenticated) {
        const reply = await perform(operation, own, headers)
        expectProblem(reply, { code: 'unauthenticated' })
        expect(reply.headers['www-authenticate']).to.match(/^Bearer/)
      }
    }
  })

  it('permits each operation to its own scope and to no other', async () => {
    for (const scope of scopes) {
      const key = await keyFor([scope])
      for (const operation of operations) {
        const reply = await perform(operation, own, bearer(key))
        if (needed.get(operation.operationId) === scope) expectSuccess(operation, reply)
        else {
          expectProblem(reply, { code: 'forbidden' })
          expect(JSON.parse(reply.text), `${operation.operationId} with ${scope}`).to.include({
            required_scope: needed.get(operation.operationId),
          })
        }
      }
      const metrics = await get('/metrics', key)
      expect(metrics.status).to.equal(scope === 'ops' ? 200 : 403)
    }
  })

  it('permits a restricted caller every operation on its restaurant, and none of the operators', async () => {
    const key = await keyFor([...scopes], [own.restaurant_id])
    for (const operation of operations) {
      const reply = await perform(operation, own, bearer(key))
      if (isUnrestricted(operation)) expectProblem(reply, { code: 'forbidden' })
      else expectSuccess(operation, reply)
    }
  })

  it('gives a restricted caller the same 404 for another restaurant as for an unknown id', async () => {
    const key = await keyFor([...scopes], [own.restaurant_id])
    const nothing = {
      restaurant_id: uuidv7(),
      menu_item_id: uuidv7(),
      order_id: uuidv7(),
      webhook_id: uuidv7(),
      delivery_id: uuidv7(),
    }
    const before = await contents()
    for (const operation of operations) {
      if (isUnrestricted(operation)) continue
      const seen = await perform(operation, foreign, bearer(key))
      const unknown = await perform(operation, nothing, bearer(key))
      expect(anonymous(seen, foreign), operation.operationId).to.deep.equal(anonymous(unknown, nothing))
      if (operation.path.includes('{')) expect(seen.status, operation.operationId).to.equal(404)
    }
    expect(await contents()).to.deep.equal(before)
  })

  it('lists nothing of another restaurant with any filter', async () => {
    const key = await keyFor([...scopes], [own.restaurant_id])
    for (const path of [
      '/api/v1/orders?limit=100',
      '/api/v1/orders?status=PLACED,CANCELLED&limit=100',
      '/api/v1/orders?customer_id=customer-42&limit=100',
      `/api/v1/orders?restaurant_id=${foreign.restaurant_id}`,
      `/api/v1/orders?restaurant_id=${foreign.restaurant_id}&customer_id=customer-42`,
      '/api/v1/restaurants',
      '/api/v1/webhooks',
    ]) {
      const { status, text } = await get(path, key)
      expect(status).to.equal(200)
      for (const id of Object.values(foreign)) expect(text, path).not.to.include(id)
      if (!path.includes('restaurant_id=')) expect(text, path).to.include(own.restaurant_id)
    }
  })

  it('treats an item of another restaurant as unknown', async () => {
    const key = await keyFor(['orders:write'], [own.restaurant_id])
    const place = operationNamed('placeOrder')
    const stolen = { ...own, menu_item_id: foreign.menu_item_id }
    const unknown = { ...own, menu_item_id: uuidv7() }
    const [seen, not] = [
      await perform(place, stolen, bearer(key)),
      await perform(place, unknown, bearer(key)),
    ]
    expectProblem(seen, { code: 'validation-failed' })
    expect(anonymous(seen, stolen)).to.deep.equal(anonymous(not, unknown))
  })

  it('separates the idempotency keys of callers', async () => {
    const mine = await keyFor(['orders:write'], [own.restaurant_id])
    const theirs = await keyFor(['orders:write'], [foreign.restaurant_id])
    const place = operationNamed('placeOrder')
    const idempotency = { 'idempotency-key': 'the-same' }
    const first = await perform(place, own, { ...bearer(mine), ...idempotency })
    const second = await perform(place, foreign, { ...bearer(theirs), ...idempotency })
    for (const reply of [first, second]) expectSuccess(place, reply)
    for (const id of Object.values(own)) expect(second.text).not.to.include(id)
  })

  it('serves health, problems and schemas without authentication, but no documentation or metrics', async () => {
    const schemas = Object.keys(eventSchemas(''))
    for (const path of ['/healthz', '/readyz', '/problems', '/problems/forbidden', ...schemas])
      expect((await send(system.api.baseUrl, { method: 'GET', path })).status, path).to.equal(200)
    const reader = await keyFor(['orders:read'])
    const documents = ['/docs', '/docs/assets/swagger-ui-bundle.js', '/openapi.json', '/asyncapi.json']
    for (const path of [...documents, '/metrics', '/']) {
      for (const method of ['GET', 'HEAD']) {
        const reply = await send(system.api.baseUrl, { method, path })
        expect(reply.status, `${method} ${path}`).to.equal(401)
      }
      if (documents.includes(path)) expect((await get(path, reader)).status, path).to.equal(200)
    }
  })

  it('stores only the hash of a key', async () => {
    const rows = await system.database.query<{ row: string }>('select k::text as row from api_keys as k')
    expect(rows.length).to.be.above(5)
    for (const { row } of rows) expect(row).not.to.include(admin.slice(8)).and.not.to.include('comanda_')
  })

  it('refuses a revoked key within 60 s', async () => {
    let now = 0
    const authenticate = apiKeyAuthenticator(system.database, () => now)
    const { key, key_id } = await createApiKey(system.database, { name: 'test', scopes: ['ops'] })
    expect(await authenticate(key, '127.0.0.1')).to.include({ id: `key:${key_id}` })
    await revokeApiKey(system.database, key_id)
    now += 60_000
    expect(await authenticate(key, '127.0.0.1')).to.equal(undefined)
  })

  /** Whether an operation is refused to callers that are restricted to certain restaurants. */
  function isUnrestricted({ operationId, path }: RegisteredOperation): boolean {
    return operationId === 'addRestaurant' || path.startsWith('/api/v1/ops/')
  }

  /** Returns a response without the ids of resources and of the request. */
  function anonymous({ status, headers, text }: RawReply, ids: Ids): object {
    const plain = Object.values(ids)
      .reduce((rest, id) => rest.replaceAll(id, '<id>'), text)
      .replaceAll(String(headers['x-request-id']), '<request>')
    const { 'x-request-id': _, date: __, 'content-length': ___, ratelimit: ____, ...others } = headers
    return { status, headers: others, text: plain }
  }

  async function contents(): Promise<unknown> {
    return await system.database.query(
      `select (select count(*) from orders) as orders, (select count(*) from menu_items) as items,
        (select sum(version) from orders) as versions, (select sum(version) from menu_items) as changes,
        (select sum(version) from restaurants) as restaurants, (select count(*) from stock_movements) as movements,
        (select sum(version) from webhooks) as webhooks, (select count(*) from webhook_deliveries) as deliveries`,
    )
  }
})
