import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import type { ProblemCode } from '../../src/http/problem-entry.ts'
import { expectProblem } from './expect-problem.ts'
import { RefusingSystem } from './refusals.ts'
import { type RawReply, send, sendBytes } from './send.ts'
import { type Ids, json, operations, pathOf } from './successful-requests.ts'

describe('requests without an operation', () => {
  let refusing: RefusingSystem
  let ids: Ids

  before(async () => {
    refusing = await RefusingSystem.start()
    ids = refusing.ids
  })
  after(() => refusing.system.stop())

  it('answers 405 with the permitted methods to any other method', async () => {
    const pages = ['/docs', '/openapi.json', '/healthz', '/readyz', '/metrics']
    const paths = Map.groupBy(
      [...operations, ...pages.map(path => ({ operationId: path, method: 'GET', path }))],
      operation => pathOf(operation, ids),
    )
    for (const [path, those] of paths) {
      const allowed = those.flatMap(({ method }) => (method === 'GET' ? ['HEAD', 'GET'] : method))
      const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE'].filter(
        method => !allowed.includes(method),
      )
      await refusing.expectRefused(
        others.map(method => ({
          name: `${method} ${path}`,
          request: { method, path },
          expected: { code: 'method-not-allowed' },
        })),
      )
      const trace = await send(refusing.system.api.baseUrl, { method: 'TRACE', path })
      const options = await send(refusing.system.api.baseUrl, { method: 'OPTIONS', path })
      expect(options).to.include({ status: 204, text: '' })
      for (const { headers } of [trace, options])
        expect(headers.allow?.split(', ')).to.have.members([...allowed, 'OPTIONS'])
    }
  })

  it('answers 501 to a method that HTTP does not define, whatever the path', async () => {
    const { baseUrl } = refusing.system.api
    for (const path of ['/api/v1/orders', '/docs', '/nothing']) {
      for (const method of ['PROPFIND', 'M-SEARCH', 'PURGE', 'QUERY']) {
        const reply = await send(baseUrl, { method, path })
        expectProblem(reply, { code: 'method-not-implemented' })
        expect(JSON.parse(reply.text).detail).to.include(method)
      }
      // Node's parser rejects methods that it does not know.
      for (const method of ['FETCH', 'get', 'GETX', 'X'.repeat(300), 'PLAY']) {
        const bytes = await sendBytes(baseUrl, `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
        expectProblem(parseReply(bytes), { code: 'method-not-implemented' })
      }
    }
    const late = await sendBytes(baseUrl, '\r\n\r\nFETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expectProblem(parseReply(late), { code: 'method-not-implemented' })
    const tunnel = await sendBytes(baseUrl, 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n')
    expectProblem(parseReply(tunnel), { code: 'method-not-implemented' })
  })

  it('counts all methods that HTTP does not define under one label', async () => {
    const { baseUrl } = refusing.system.api
    for (let count = 0; count < 20; count++) {
      await sendBytes(baseUrl, `X${count} / HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await send(baseUrl, { method: count % 2 ? 'PROPFIND' : 'MKCOL', path: '/' })
    }
    const { text } = await send(baseUrl, { method: 'GET', path: '/metrics' })
    const methods = new Set([...text.matchAll(/http_request_method="([^"]*)"/g)].map(([, method]) => method))
    for (const method of methods)
      expect(method).to.be.oneOf([
        '_OTHER',
        'GET',
        'HEAD',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'TRACE',
      ])
    const counted =
      /duration_seconds_count\{http_request_method="_OTHER",http_route="none",http_response_status_code="501"\} (\d+)/
    expect(Number(counted.exec(text)?.[1])).to.be.at.least(40)
  })

  it('answers HEAD with the headers of GET, on every operation and page', async () => {
    const { baseUrl } = refusing.system.api
    const reads = operations.filter(({ method }) => method === 'GET').map(each => pathOf(each, ids))
    const pages = ['/docs', '/docs/assets/favicon-32x32.png', '/openapi.json', '/asyncapi.json', '/problems']
    const others = ['/schemas/order.placed.v1.json', '/healthz', '/readyz', '/metrics', '/']
    /** Changes from request to request, or belongs to the connection. */
    const varying = (path: string) => [
      'date',
      'x-request-id',
      'connection',
      'keep-alive',
      'transfer-encoding',
      // The bodies name times and durations.
      ...(path === '/metrics' || path.startsWith('/api/v1/ops/') ? ['content-length'] : []),
    ]
    for (const path of [...reads, ...pages, ...others]) {
      const get = await send(baseUrl, { method: 'GET', path })
      const head = await send(baseUrl, { method: 'HEAD', path })
      expect(head, path).to.include({ status: get.status, text: '' })
      const comparable = ({ headers }: RawReply) =>
        Object.fromEntries(Object.entries(headers).filter(([name]) => !varying(path).includes(name)))
      expect(comparable(head), path).to.deep.equal(comparable(get))
      expect(Object.keys(head.headers).includes('content-length'), path).to.equal(!path.endsWith('/stream'))
    }
    const nothing = `/api/v1/orders/${uuidv7()}`
    expect(await send(baseUrl, { method: 'HEAD', path: nothing })).to.include({ status: 404, text: '' })
    const onPost = '/api/v1/inventory/add/restaurant'
    expect(await send(baseUrl, { method: 'HEAD', path: onPost })).to.include({ status: 405, text: '' })
  })

  it('accepts a merge patch for PATCH only', async () => {
    const { baseUrl } = refusing.system.api
    const headers = { 'content-type': 'application/merge-patch+json; charset=utf-8' }
    const path = `/api/v1/inventory/${ids.menu_item_id}`
    const patched = await send(baseUrl, {
      method: 'PATCH',
      path,
      headers,
      body: '{"low_stock_threshold":null}',
    })
    expect(patched.status, patched.text).to.equal(200)
    expect(JSON.parse(patched.text)).to.include({ low_stock_threshold: null, name: 'Pizza' })
    const body = '{"quantity":1,"reason":"delivery"}'
    const posted = await send(baseUrl, { method: 'POST', path: `${path}/restock`, headers, body })
    expectProblem(posted, { code: 'unsupported-media-type' })
    const refused = await send(baseUrl, {
      method: 'PATCH',
      path,
      headers: { 'content-type': 'text/plain' },
      body,
    })
    expectProblem(refused, { code: 'unsupported-media-type' })
    const options = await send(baseUrl, { method: 'OPTIONS', path })
    for (const reply of [refused, options])
      expect(reply.headers['accept-patch']).to.equal('application/json, application/merge-patch+json')
    expect(posted.headers).not.to.have.property('accept-patch')
  })

  it('answers 404 at unknown paths', () =>
    refusing.expectRefused(
      ['GET', 'POST', 'PATCH', 'DELETE'].flatMap(method =>
        unknownPaths.map(path => ({
          name: `${method} ${path.slice(0, 80)}`,
          request: { method, path, ...(method === 'GET' ? {} : { headers: json, body: '{}' }) },
          expected: { code: 'route-not-found' },
        })),
      ),
    ))

  it('serves the next request on a connection whose last body was too large', async () => {
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`
    const replies = await sendBytes(
      refusing.system.api.baseUrl,
      `POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${chunk.repeat(20)}0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    )
    expect(replies.match(/HTTP\/1.1 \d+/g)).to.deep.equal(['HTTP/1.1 413', 'HTTP/1.1 200'])
  })

  it('closes a connection that does not send HTTP, and keeps serving others', async () => {
    const { baseUrl } = refusing.system.api
    await refusing.expectUnchanged(async () => {
      for (const [bytes, code] of brokenRequests) {
        try {
          expectProblem(parseReply(await sendBytes(baseUrl, bytes)), { code })
        } catch (error) {
          throw new Error(JSON.stringify(bytes.slice(0, 200)), { cause: error })
        }
      }
      await sendBytes(baseUrl, `${head}Content-Length: 1000\r\n\r\n{"restaurant_id":`, { end: true })
      const unsaid = await sendBytes(baseUrl, `${head}Connection: close\r\n\r\n`)
      expect(unsaid).to.match(/^HTTP\/1.1 400 [^]*malformed-json/)
      expect((await refusing.system.api.call('GET', '/healthz')).status).to.equal(200)
    })
  })
})

/** Parses a complete response. */
function parseReply(bytes: string): RawReply {
  const [head = '', text = ''] = bytes.split('\r\n\r\n')
  const [statusLine = '', ...fields] = head.split('\r\n')
  const headers = Object.fromEntries(
    fields.map(field => field.split(': ')).map(([name = '', value = '']) => [name.toLowerCase(), value]),
  )
  return { status: Number(statusLine.split(' ')[1]), headers, text }
}

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
  '/%00',
  '/__proto__',
  `/${'x'.repeat(8_000)}`,
]

const head = 'POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'

/** Malformed requests that no client library sends, byte for byte, with their error. */
const brokenRequests: [bytes: string, code: ProblemCode][] = [
  ['nonsense\r\n\r\n', 'malformed-request'],
  ['GET /docs HTTP/1.1\r\nConnection: close\r\n\r\n', 'malformed-request'],
  [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 'headers-too-large'],
  [`${head}X-Large: ${'x'.repeat(20_000)}\r\n\r\n`, 'headers-too-large'],
  [`${head}${'X-Many: 0123456789\r\n'.repeat(1_000)}\r\n`, 'headers-too-large'],
  [`${head}Content-Length: -1\r\n\r\n`, 'malformed-request'],
  // A proxy in front may disagree about where the next request begins (request smuggling).
  [`${head}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`, 'malformed-request'],
  [`${head}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}`, 'malformed-request'],
  [`${head}Content-Length: 2, 2\r\n\r\n{}`, 'malformed-request'],
  [`${head}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}`, 'malformed-request'],
  [`${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, 'malformed-request'],
  [`${head}Transfer-Encoding: chunked, identity\r\n\r\n{}`, 'malformed-request'],
  [`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, 'malformed-request'],
  [`${head}Idempotency-Key: a\u0000b\r\n\r\n`, 'malformed-request'],
  [`${head}X-Request-Id: \u0000\r\n\r\n`, 'malformed-request'],
  [`${head}X-Nu\u0000l: 1\r\n\r\n`, 'malformed-request'],
  [`${head}X-Bare: a\rb\r\n\r\n`, 'malformed-request'],
  [`${head}X-Space : 1\r\n\r\n`, 'malformed-request'],
  [`POST /api/v1/\u0000orders HTTP/1.1\r\nHost: localhost\r\n\r\n`, 'malformed-request'],
  ['GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 'malformed-request'],
  ['GET /api/v1/orders/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 'malformed-request'],
  ['GET /api/v1/orders?cursor=%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 'query-invalid'],
  ['GET /api/v1/orders?%zz=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 'query-invalid'],
  ['GET /api/v1/orders HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n', 'malformed-request'],
  ['GET /api/v1/orders HTTP/3.0\r\nHost: localhost\r\n\r\n', 'malformed-request'],
]
