import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import type { ResourceKind } from '../../src/platform/errors.ts'
import { type LogLine, recordingLog } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { type ExpectedProblem, expectProblem } from './expect-problem.ts'
import { operationsOf } from './operations.ts'
import { type RawRequest, send, sendBytes } from './send.ts'
import {
  notJson,
  unknownProperties,
  type WrongValue,
  wrongAmounts,
  wrongBodies,
  wrongChoices,
  wrongCurrencies,
  wrongIds,
  wrongLists,
  wrongTexts,
  wrongWholeNumbers,
} from './wrong-values.ts'

type Ids = Record<'restaurant_id' | 'menu_item_id' | 'order_id', string>

interface Field {
  wrong: WrongValue[]
  required?: true
}

interface Described {
  operationId: string
  method: string
  path: string
  /** what the id in the path is of */
  resource?: ResourceKind
  /** a body that is right */
  body?: (ids: Ids) => object
  /** may be left out altogether */
  bodyOptional?: true
  /** by JSON Pointer into that body */
  fields?: Record<string, Field>
}

const statuses = ['PLACED', 'PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED', 'CANCELLED']
const anyLine = JSON.stringify({ menu_item_id: uuidv7(), quantity: 1 })
const MAX_STOCK = 1_000_000_000

/** Every operation with every field of its body. A new one fails the first test until it is described here. */
const operations: Described[] = [
  {
    operationId: 'placeOrder',
    method: 'POST',
    path: '/api/v1/orders',
    body: ({ restaurant_id, menu_item_id }) => ({
      restaurant_id,
      items: [{ menu_item_id, quantity: 1 }],
      customer_id: 'customer-42',
      notes: 'no basil',
    }),
    fields: {
      '/restaurant_id': { required: true, wrong: wrongIds() },
      '/items': { required: true, wrong: wrongLists(100, anyLine) },
      '/items/0/menu_item_id': { required: true, wrong: wrongIds() },
      '/items/0/quantity': { required: true, wrong: wrongWholeNumbers(1, 1_000) },
      '/customer_id': { wrong: wrongTexts(100) },
      '/notes': { wrong: wrongTexts(500) },
    },
  },
  { operationId: 'getOrder', method: 'GET', path: '/api/v1/orders/{order_id}', resource: 'order' },
  {
    operationId: 'changeOrderStatus',
    method: 'PATCH',
    path: '/api/v1/orders/{order_id}/status',
    resource: 'order',
    body: () => ({ status: 'CANCELLED' }),
    fields: { '/status': { required: true, wrong: wrongChoices(statuses) } },
  },
  {
    operationId: 'cancelOrder',
    method: 'POST',
    path: '/api/v1/orders/{order_id}/cancel',
    resource: 'order',
    body: () => ({ reason: 'ordered by mistake' }),
    bodyOptional: true,
    fields: { '/reason': { wrong: wrongTexts(200) } },
  },
  {
    operationId: 'addRestaurant',
    method: 'POST',
    path: '/api/v1/inventory/add/restaurant',
    body: () => ({ name: 'Trattoria', currency: 'EUR' }),
    fields: {
      '/name': { required: true, wrong: wrongTexts(200) },
      '/currency': { wrong: wrongCurrencies() },
    },
  },
  {
    operationId: 'addMenuItem',
    method: 'POST',
    path: '/api/v1/inventory/add/{restaurant_id}/item',
    resource: 'restaurant',
    body: () => ({ name: 'Pizza', price: '9.50', available_qty: 10, low_stock_threshold: 3 }),
    fields: {
      '/name': { required: true, wrong: wrongTexts(200) },
      '/price': { wrong: wrongAmounts('must be an amount in EUR: at most 2 decimals, at most 10000000.00') },
      '/available_qty': { required: true, wrong: wrongWholeNumbers(0, MAX_STOCK) },
      '/low_stock_threshold': { wrong: wrongWholeNumbers(0, MAX_STOCK) },
    },
  },
  {
    operationId: 'getMenuItem',
    method: 'GET',
    path: '/api/v1/inventory/{menu_item_id}',
    resource: 'menu-item',
  },
]

/** Ids that are none, as they stand in a path; each names nothing, so each is 404. */
const wrongPathIds = [
  'x',
  '0',
  '-1',
  '1.5',
  'null',
  '__proto__',
  '..',
  '%',
  '%zz',
  '%00',
  '%ff',
  '%ED%A0%80',
  '%0d%0aX-Injected:%20yes',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  "1'%20or%20'1'='1",
  '019a0000000070008000000000000001',
  '019a0000-0000-7000-8000-00000000000%00',
  '019a0000-0000-7000-8000-0000000000010',
  'x'.repeat(8_000),
]

const json = { 'content-type': 'application/json' }

describe('bad input over HTTP', () => {
  let system: TestSystem
  let ids: Ids
  let lines: LogLine[]

  before(async () => {
    const recording = recordingLog()
    lines = recording.lines
    // Without the slow path, nothing is written but what a request writes.
    system = await startSystem(['api'], recording.log)
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    ids = { restaurant_id, menu_item_id, order_id }
  })
  after(() => system.stop())

  interface Case {
    name: string
    request: RawRequest
    expected: ExpectedProblem
  }

  /** Each is refused as it should be, none is taken for a bug, and together they write nothing. */
  async function expectRefused(cases: Case[]): Promise<void> {
    expect(cases).not.to.deep.equal([])
    const before = await contents()
    const failures: string[] = []
    for (const { name, request, expected } of cases) {
      try {
        expectProblem(await send(system.api.baseUrl, request), expected)
      } catch (error) {
        failures.push(`${name}: ${String(error)}`)
      }
    }
    expect(failures.join('\n')).to.equal('')
    expect(await contents()).to.deep.equal(before)
    expect(lines.filter(({ level }) => Number(level) >= 50)).to.deep.equal([])
  }

  async function contents(): Promise<unknown> {
    const [row] = await system.database.query(contentsSql)
    return row
  }

  function pathOf({ path }: Described, id?: string): string {
    return path.replace(/\{(\w+)\}/, (_, name: keyof Ids) => id ?? ids[name])
  }

  function requestOf(operation: Described, body?: string | Buffer, headers = json): RawRequest {
    const { method } = operation
    return { method, path: pathOf(operation), ...(body === undefined ? {} : { body, headers }) }
  }

  function rightBody({ body }: Described): string | undefined {
    return body && JSON.stringify(body(ids))
  }

  it('describes every operation and every field that the document has', async () => {
    const document = await system.api.call('GET', '/openapi.json')
    const described = operations.map(({ operationId, method, path, fields = {} }) => ({
      operationId,
      method,
      path,
      fields: Object.entries(fields).map(([pointer, { required = false }]) => ({ pointer, required })),
    }))
    expect(described).to.have.deep.members(operationsOf(document.body))
  })

  for (const operation of operations) {
    const { operationId, resource, body, bodyOptional, fields = {} } = operation

    describe(operationId, () => {
      if (resource) {
        it('has nothing at ids that do not exist or are none', () =>
          expectRefused(
            [...wrongPathIds, uuidv7(), '00000000-0000-0000-0000-000000000000'].map(id => ({
              name: id,
              request: {
                method: operation.method,
                path: pathOf(operation, id),
                ...(body ? { body: rightBody(operation) ?? '', headers: json } : {}),
              },
              expected: { code: `${resource}-not-found` },
            })),
          ))
      }
      if (!body) return

      for (const [pointer, { wrong, required }] of Object.entries(fields)) {
        it(`refuses ${wrong.length} wrong values of ${pointer}`, () =>
          expectRefused(
            wrong.map(({ name, json, detail, below = '' }) => ({
              name,
              request: requestOf(operation, withValue(body(ids), pointer, json)),
              expected: { code: 'validation-failed', errors: [{ pointer: pointer + below, detail }] },
            })),
          ))

        if (required) {
          it(`refuses a body without ${pointer}`, () =>
            expectRefused([
              {
                name: 'left out',
                request: requestOf(operation, withValue(body(ids), pointer, undefined)),
                expected: { code: 'validation-failed', errors: [{ pointer, detail: 'is required' }] },
              },
            ]))
        }
      }

      it('refuses unknown properties by name', () =>
        expectRefused(
          objectsIn(Object.keys(fields)).flatMap(holder =>
            unknownProperties.map(([key, shown]) => ({
              name: `${holder}/${shown}`,
              request: requestOf(operation, withProperty(body(ids), holder, key)),
              expected: {
                code: 'validation-failed' as const,
                errors: [{ pointer: `${holder}/${shown}`, detail: 'is not a known property' }],
              },
            })),
          ),
        ))

      it('refuses JSON that is no object', () =>
        expectRefused(
          wrongBodies().map(({ name, json, detail }) => ({
            name,
            request: requestOf(operation, json),
            expected: { code: 'validation-failed', errors: [{ pointer: '', detail }] },
          })),
        ))

      it('refuses what is not JSON', () =>
        expectRefused([
          ...notJson.map(text => ({
            name: text.slice(0, 20),
            request: requestOf(operation, text),
            expected: { code: 'malformed-json' as const },
          })),
          {
            name: 'cut off',
            request: requestOf(operation, rightBody(operation)?.slice(0, -1)),
            expected: { code: 'malformed-json' },
          },
          {
            name: 'not UTF-8',
            request: requestOf(operation, Buffer.from('{"name":"Café"}', 'latin1')),
            expected: { code: 'malformed-json' },
          },
        ]))

      it('refuses bodies of other types, character sets and encodings', () =>
        expectRefused(
          unacceptedHeaders.map(headers => ({
            name: JSON.stringify(headers),
            request: { ...requestOf(operation, rightBody(operation)), headers },
            expected: { code: 'unsupported-media-type' },
          })),
        ))

      it('refuses a body of 2 MB, its length said or not', () =>
        expectRefused(
          [false, true].map(chunked => ({
            name: chunked ? 'in chunks' : 'with its length',
            request: { ...requestOf(operation, `"${'x'.repeat(2_000_000)}"`), chunked },
            expected: { code: 'payload-too-large' },
          })),
        ))

      if (!bodyOptional) {
        it('refuses a request without a body', () =>
          expectRefused([
            { name: 'none', request: requestOf(operation), expected: { code: 'malformed-json' } },
            { name: 'of no bytes', request: requestOf(operation, ''), expected: { code: 'malformed-json' } },
            {
              name: 'of no chunks',
              request: { ...requestOf(operation, ''), chunked: true },
              expected: { code: 'malformed-json' },
            },
          ]))
      }
    })
  }

  it('names the line of an item that is unknown or of another restaurant', async () => {
    const { api } = system
    const { restaurant_id } = await api.addRestaurant()
    const foreign = await api.addItem(restaurant_id, 10)
    const bad = [foreign.menu_item_id, uuidv7()]
    await expectRefused(
      bad.map(menu_item_id => ({
        name: menu_item_id,
        request: {
          method: 'POST',
          path: '/api/v1/orders',
          headers: json,
          body: JSON.stringify({
            restaurant_id: ids.restaurant_id,
            items: [
              { menu_item_id: ids.menu_item_id, quantity: 1 },
              { menu_item_id, quantity: 1 },
            ],
          }),
        },
        expected: {
          code: 'validation-failed',
          errors: [
            { pointer: '/items/1/menu_item_id', detail: `${menu_item_id} is not on this restaurant's menu` },
          ],
        },
      })),
    )
  })

  it('has no order for a restaurant that does not exist', () =>
    expectRefused([
      {
        name: 'unknown',
        request: {
          method: 'POST',
          path: '/api/v1/orders',
          headers: json,
          body: JSON.stringify({
            restaurant_id: uuidv7(),
            items: [{ menu_item_id: ids.menu_item_id, quantity: 1 }],
          }),
        },
        expected: { code: 'restaurant-not-found' },
      },
    ]))

  it('refuses other methods with 405, naming those it takes', async () => {
    const pages = ['/docs', '/openapi.json', '/healthz', '/readyz', '/metrics']
    const paths = Map.groupBy(
      [...operations, ...pages.map(path => ({ operationId: path, method: 'GET', path }))],
      operation => pathOf(operation),
    )
    for (const [path, those] of paths) {
      const allowed = those.flatMap(({ method }) => (method === 'GET' ? ['HEAD', 'GET'] : method))
      const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'].filter(
        method => !allowed.includes(method),
      )
      await expectRefused(
        others.map(method => ({
          name: `${method} ${path}`,
          request: { method, path },
          expected: { code: 'method-not-allowed' },
        })),
      )
      const put = await send(system.api.baseUrl, { method: 'PUT', path })
      const options = await send(system.api.baseUrl, { method: 'OPTIONS', path })
      expect(options).to.include({ status: 204, text: '' })
      for (const { headers } of [put, options])
        expect(headers.allow?.split(', ')).to.have.members([...allowed, 'OPTIONS'])
    }
  })

  it('answers HEAD like GET, without the body', async () => {
    const path = `/api/v1/orders/${ids.order_id}`
    const get = await send(system.api.baseUrl, { method: 'GET', path })
    const head = await send(system.api.baseUrl, { method: 'HEAD', path })
    expect(head).to.include({ status: 200, text: '' })
    expect(head.headers['content-length']).to.equal(get.headers['content-length'])

    const nothing = await send(system.api.baseUrl, { method: 'HEAD', path: `/api/v1/orders/${uuidv7()}` })
    expect(nothing).to.include({ status: 404, text: '' })
    const onPost = await send(system.api.baseUrl, { method: 'HEAD', path: '/api/v1/orders' })
    expect(onPost).to.include({ status: 405, text: '' })
  })

  it('has nothing at unknown paths', () =>
    expectRefused(
      ['GET', 'POST', 'PATCH', 'DELETE'].flatMap(method =>
        unknownPaths.map(path => ({
          name: `${method} ${path.slice(0, 80)}`,
          request: { method, path, ...(method === 'GET' ? {} : { headers: json, body: '{}' }) },
          expected: { code: 'route-not-found' },
        })),
      ),
    ))

  it('drops what is no HTTP, and goes on serving', async () => {
    const { baseUrl } = system.api
    const before = await contents()
    const head = 'POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    expect(await sendBytes(baseUrl, 'nonsense\r\n\r\n')).to.match(/^HTTP\/1.1 400 /)
    expect(await sendBytes(baseUrl, `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`)).to.match(
      /^HTTP\/1.1 431 /,
    )
    expect(await sendBytes(baseUrl, `${head}Content-Length: -1\r\n\r\n`)).to.match(/^HTTP\/1.1 400 /)
    expect(
      await sendBytes(baseUrl, `${head}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}`),
    ).to.match(/^HTTP\/1.1 400 /)
    await sendBytes(baseUrl, `${head}Content-Length: 1000\r\n\r\n{"restaurant_id":`, { end: true })
    const unsaid = await sendBytes(baseUrl, `${head}Connection: close\r\n\r\n`)
    expect(unsaid).to.match(/^HTTP\/1.1 400 [^]*malformed-json/)
    expect((await system.api.call('GET', '/healthz')).status).to.equal(200)
    expect(await contents()).to.deep.equal(before)
  })
})

const unacceptedHeaders: Record<string, string>[] = [
  {},
  { 'content-type': '' },
  { 'content-type': 'json' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'text/json' },
  { 'content-type': 'application/xml' },
  { 'content-type': 'application/x-www-form-urlencoded' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-type': 'application/json; charset=latin1' },
  { 'content-type': 'application/json; charset="iso-8859-1"' },
  { 'content-type': 'application/json; charset=utf-16' },
  { 'content-type': 'application/json; charset=nonsense' },
  ...['gzip', 'br', 'deflate', 'zstd', 'nonsense', 'gzip, identity'].map(encoding => ({
    ...json,
    'content-encoding': encoding,
  })),
]

const unknownPaths = [
  '/nothing',
  '/api',
  '/api/v1',
  '/api/v2/orders',
  '/api/v1/orders/x/y',
  '/api/v1/orders/x/status/y',
  '/api/v1/inventory',
  '/docs/assets',
  '/docs/assets/%2e%2e%2fpackage.json',
  '/docs/../package.json',
  '/openapi.json/x',
  '/%zz',
  '/%00',
  '/%ff',
  '/__proto__',
  `/${'x'.repeat(8_000)}`,
]

const contentsSql = `
  select
    (select count(*) from restaurants) as restaurants,
    (select count(*) from menu_items) as menu_items,
    (select count(*) from stock_movements) as stock_movements,
    (select count(*) from orders) as orders,
    (select count(*) from order_items) as order_items,
    (select count(*) from order_transitions) as order_transitions,
    (select count(*) from outbox_events) as outbox_events,
    (select array_agg(status order by order_id) from orders) as statuses
`

const HOLE = 'here goes the value'

/** The body with this JSON as the value at the pointer; undefined leaves it out. */
function withValue(body: object, pointer: string, json: string | undefined): string {
  const path = pointer.split('/').slice(1)
  const last = path.pop() ?? ''
  valueAt(body, path)[last] = json === undefined ? undefined : HOLE
  return JSON.stringify(body).replace(`"${HOLE}"`, () => json ?? '')
}

/** The body with one more property in the object at the pointer. */
function withProperty(body: object, pointer: string, key: string): string {
  const path = pointer.split('/').slice(1)
  Object.assign(valueAt(body, path), { [HOLE]: 1 })
  return JSON.stringify(body).replace(HOLE, () => key)
}

function valueAt(body: object, path: string[]): Record<string, unknown> {
  return path.reduce((value, key) => value[key] as Record<string, unknown>, body as Record<string, unknown>)
}

/** Pointers of the objects that hold these fields. */
function objectsIn(pointers: string[]): string[] {
  return [...new Set(pointers.map(pointer => pointer.slice(0, pointer.lastIndexOf('/'))))]
}
