import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send, sendBytes } from './send.ts'
import { json, operations } from './successful-requests.ts'

const TILL = 'https://till.example'
/** The methods of every operation. */
const methods = [...new Set(operations.map(({ method }) => method.toLowerCase()))]
const otherOrigins = [
  'https://evil.example',
  `${TILL}.evil.example`,
  'http://till.example',
  `${TILL}:8443`,
  'null',
  '*',
]

function corsHeaders({ headers }: RawReply): string[] {
  return Object.keys(headers).filter(name => name.startsWith('access-control-'))
}

/** Returns the names that a header lists, in lower case. */
function listOf({ headers }: RawReply, name: string): string[] {
  return String(headers[name]).toLowerCase().split(/, ?/)
}

const preflight = (origin: string) => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type,idempotency-key',
})

describe('CORS', () => {
  describe('with one configured origin', () => {
    let system: TestSystem

    before(async () => {
      system = await startSystem(['api'], undefined, { CORS_ORIGINS: [TILL] })
    })
    after(() => system.stop())

    it('names it in a response of the HTTP parser that has not seen the Origin header', async () => {
      // The header may have come in an earlier packet, which the parser no longer has.
      const bytes = await sendBytes(
        system.api.baseUrl,
        'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n',
      )
      expect(bytes).to.include(`\r\nAccess-Control-Allow-Origin: ${TILL}\r\n`)
    })
  })

  describe('without configured origins', () => {
    let system: TestSystem

    before(async () => {
      system = await startSystem(['api'])
    })
    after(() => system.stop())

    it('sends no CORS header for a call or a preflight', async () => {
      for (const origin of [TILL, ...otherOrigins]) {
        for (const [method, headers] of [
          ['GET', { origin }],
          ['OPTIONS', preflight(origin)],
        ] as const) {
          const reply = await send(system.api.baseUrl, { method, path: '/api/v1/orders', headers })
          expect(corsHeaders(reply), `${method} from ${origin}`).to.deep.equal([])
          expect(reply.headers.vary ?? '').not.to.match(/origin/i)
        }
      }
    })
  })

  describe('with configured origins', () => {
    let system: TestSystem
    let authorization: string

    before(async () => {
      system = await startSystem(['api'], undefined, {
        AUTH_MODE: 'api-key',
        CORS_ORIGINS: [TILL, 'http://localhost:5173'],
      })
      const { key } = await createApiKey(system.database, { name: 'till', scopes: ['orders:read'] })
      authorization = `Bearer ${key}`
    })
    after(() => system.stop())

    const call = (headers: Record<string, string>, method = 'GET', path = '/api/v1/orders') =>
      send(system.api.baseUrl, { method, path, headers })

    it('answers a preflight before authentication', async () => {
      for (const origin of [TILL, 'http://localhost:5173']) {
        const reply = await call(preflight(origin), 'OPTIONS')
        expect(reply).to.include({ status: 204, text: '' })
        expect(reply.headers).to.include({
          'access-control-allow-origin': origin,
          'access-control-max-age': '600',
        })
        expect(listOf(reply, 'vary')).to.include('origin')
        expect(listOf(reply, 'access-control-allow-methods')).to.include.members(methods)
        expect(listOf(reply, 'access-control-allow-headers')).to.include.members([
          'authorization',
          'content-type',
          'idempotency-key',
          'if-match',
          'if-none-match',
          'last-event-id',
          'x-request-id',
          'traceparent',
          'tracestate',
          'baggage',
        ])
      }
    })

    it('exposes the headers that clients need, and never permits credentials', async () => {
      const reply = await call({ origin: TILL, authorization })
      expect(reply.status).to.equal(200)
      expect(reply.headers['access-control-allow-origin']).to.equal(TILL)
      expect(reply.headers).not.to.have.property('access-control-allow-credentials')
      expect(listOf(reply, 'access-control-expose-headers')).to.include.members([
        'location',
        'etag',
        'link',
        'ratelimit',
        'ratelimit-policy',
        'retry-after',
        'idempotency-replayed',
        'x-request-id',
        'allow',
        'accept-patch',
        'www-authenticate',
      ])
    })

    it('lets pages read every error response', async () => {
      const unknown = await call({ origin: TILL })
      expectProblem(unknown, { code: 'unauthenticated' })
      const forbidden = await send(system.api.baseUrl, {
        method: 'POST',
        path: '/api/v1/orders',
        headers: { ...json, origin: TILL, authorization },
        body: '{}',
      })
      expectProblem(forbidden, { code: 'forbidden' })
      const nowhere = await call({ origin: TILL }, 'GET', '/nothing')
      for (const { headers } of [unknown, forbidden, nowhere])
        expect(headers['access-control-allow-origin']).to.equal(TILL)
    })

    it('lets pages read the responses of the HTTP parser', async () => {
      const requests = (origin: string) => [
        `GET /api/v1/orders HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\nContent-Length: x\r\n\r\n`,
        `GET /api/v1/orders HTTP/1.1\r\nHost: x\r\norigin:${origin}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
        `GET /api/v1/orders HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\nOrigin: ${origin} \r\n\r\n`,
        `FETCH /api/v1/orders HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\n\r\n`,
      ]
      const statuses = [400, 431, 431, 501]
      for (const [index, bytes] of requests(TILL).entries()) {
        const reply = await sendBytes(system.api.baseUrl, bytes)
        expect(reply).to.match(new RegExp(`^HTTP/1.1 ${statuses[index]} `))
        expect(reply).to.include(`\r\nAccess-Control-Allow-Origin: ${TILL}\r\n`)
        expect(reply).to.match(/\r\nAccess-Control-Expose-Headers: .*X-Request-Id/)
        expect(reply).to.match(/\r\nVary: Origin\r\n/)
      }
      for (const origin of otherOrigins)
        for (const bytes of requests(origin))
          expect(await sendBytes(system.api.baseUrl, bytes), origin).not.to.match(/access-control-/i)
    })

    it('sends no CORS header to other origins', async () => {
      for (const origin of otherOrigins) {
        expect(corsHeaders(await call({ origin, authorization })), origin).to.deep.equal([])
        expect(corsHeaders(await call(preflight(origin), 'OPTIONS')), origin).to.deep.equal([])
      }
      expect(corsHeaders(await call({ authorization }))).to.deep.equal([])
    })

    it('varies by origin for caches', async () => {
      for (const headers of [{ authorization }, { authorization, origin: TILL }])
        expect(listOf(await call(headers), 'vary')).to.include('origin')
    })
  })
})
