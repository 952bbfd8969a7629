import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { problems } from '../../src/http/problem-catalogue.ts'
import type { ProblemCode } from '../../src/http/problem-entry.ts'
import { serverLimits } from '../../src/http/server/server.ts'
import type { PlacedOrderReply } from '../../src/orders/order-contract.ts'
import { ApiClient } from '../support/api-client.ts'
import { type Child, killChildren } from '../support/child.ts'
import { hasNginx } from '../support/nginx.ts'
import { startRoleProcess } from '../support/start-role.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'
import { CONFIGURATION, ShopNginx } from './shop-nginx.ts'
import { hasOpenssl, type TlsClient } from './tls-client.ts'

const LARGE_BYTES = 64_000_000
const CLIENT_COUNT = 6
const FAILED_LOGINS_PER_MINUTE = 3

describe('deploy/nginx.conf', () => {
  it('answers with problem documents of the catalogue', () => {
    const replies = [...CONFIGURATION.matchAll(/return (\d+) '(\{.*\})\\n';/g)]
    expect(replies).to.have.length(4)
    for (const [, status, body = ''] of replies) {
      const { code, ...problem } = JSON.parse(body) as Record<string, unknown> & { code: ProblemCode }
      const { title } = problems[code]
      expect(problem).to.include({ type: `/comanda/problems/${code}`, title, status: Number(status) })
      expect(problem).to.have.all.keys('type', 'title', 'status', 'detail', 'request_id')
      expect(problems[code].status).to.equal(problem['status'])
    }
  })

  it('closes idle connections to the API before the API does', () => {
    const [, seconds] = /keepalive_timeout (\d+)s/.exec(CONFIGURATION) ?? []
    expect(Number(seconds) * 1_000).to.be.below(serverLimits.keepAliveTimeoutMs)
  })

  if (!hasNginx || !hasOpenssl) {
    console.warn('nginx or openssl is missing: deploy/nginx.conf is not run')
    it('is run under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  it('buffers no response with X-Accel-Buffering: no, so that the API notices a client that does not read', async () => {
    const responses = new Map<string, ServerResponse>()
    // As the API sends an event stream, and as other responses. Sockets hold a part of it only.
    const server = createServer(({ url = '' }, response) => {
      responses.set(url, response)
      response.writeHead(200, url === '/stream' ? { 'x-accel-buffering': 'no' } : {})
      response.end(Buffer.alloc(LARGE_BYTES))
    })
    const shop = await ShopNginx.plan()
    await new Promise<void>(done => server.listen(shop.ports[0], '127.0.0.1', done))
    await shop.start()
    try {
      const client = shop.connect()
      await client.holdBack('/comanda/stream')
      for (const path of ['/first', '/second']) {
        await client.holdBack(`/comanda${path}`)
        await until('nginx has buffered it', () => responses.get(path)?.writableFinished)
      }
      expect(responses.get('/stream')?.writableFinished).to.equal(false)
    } finally {
      await shop.stop()
      server.closeAllConnections()
      server.close()
    }
  })

  describe('in front of two API processes', () => {
    let database: Awaited<ReturnType<typeof openTestDatabase>>
    let shop: ShopNginx
    let processes: Child[]
    let client: TlsClient
    let authorization: string
    let menu: { restaurant_id: string; menu_item_id: string }

    async function startProcess(port: number): Promise<Child> {
      const child = startRoleProcess('api', database.url, {
        ...shop.environment(port),
        AUTH_MODE: 'api-key',
        FAILED_LOGINS_PER_MINUTE: String(FAILED_LOGINS_PER_MINUTE),
      })
      await child.untilOutput(/api is ready/)
      return child
    }

    before(async () => {
      database = await openTestDatabase()
      shop = await ShopNginx.plan()
      processes = await Promise.all(shop.ports.map(startProcess))
      await shop.start()
      const scopes = ['orders:read', 'orders:write', 'inventory:read', 'inventory:write'] as const
      const { key } = await createApiKey(database.database, { name: 'till', scopes: [...scopes] })
      authorization = `Bearer ${key}`
      client = shop.connect()
      const api = new ApiClient(`http://127.0.0.1:${shop.ports[0]}`, key)
      const { restaurant_id } = await api.addRestaurant()
      const { menu_item_id } = await api.addItem(restaurant_id, 100_000)
      menu = { restaurant_id, menu_item_id }
    })
    after(async () => {
      await shop.stop()
      killChildren()
      await database.close()
    })

    const read = (path: string) => client.send('GET', `/comanda${path}`, { authorization })
    async function place(through = client, headers: Record<string, string> = {}) {
      const { restaurant_id, menu_item_id } = menu
      const body = JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
      return await through.send('POST', '/comanda/api/v1/orders', { authorization, ...headers }, body)
    }
    const orderOf = ({ body }: { body: string }) => (JSON.parse(body) as PlacedOrderReply).order_id

    it('serves the API over HTTP/2 with TLS under the path, and its Location leads to the order', async () => {
      const placed = await place()
      expect(placed.status, placed.body).to.equal(202)
      expect(placed.headers['strict-transport-security']).to.equal('max-age=31536000')
      const found = await client.send('GET', String(placed.headers.location), { authorization })
      expect(orderOf(found)).to.equal(orderOf(placed))
      expect((await read('/docs')).status).to.equal(200)
    })

    it('redirects plain HTTP to HTTPS, and the path without a slash', async () => {
      const plain = await fetch(`http://127.0.0.1:${shop.plainPort}/comanda/docs`, { redirect: 'manual' })
      expect([plain.status, plain.headers.get('location')]).to.deep.equal([
        308,
        'https://127.0.0.1/comanda/docs',
      ])
      expect((await read('')).status).to.equal(308)
    })

    it('passes each event of a stream on at once', async () => {
      const order = orderOf(await place())
      const received = client.follow(`/comanda/api/v1/orders/${order}/stream`, { authorization })
      await until('the snapshot has arrived', () => received().includes('event:snapshot'))
      const body = JSON.stringify({ reason: 'closed' })
      const path = `/comanda/api/v1/orders/${order}/cancel`
      expect((await client.send('POST', path, { authorization }, body)).status).to.equal(200)
      await until('the event has arrived', () => received().includes('event:order.cancelled.v1'))
    })

    it('passes on the address of the client, which no header of the client can change', async () => {
      const guess = async (from: TlsClient, address: string) => {
        const headers = { authorization: 'Bearer comanda_wrong', 'x-forwarded-for': address }
        return (await from.send('GET', '/comanda/api/v1/restaurants', headers)).status
      }
      const guesser = shop.connect('127.0.0.2')
      for (let count = 0; count < FAILED_LOGINS_PER_MINUTE; count++)
        expect(await guess(guesser, `203.0.113.${count}`)).to.equal(401)
      expect(await guess(guesser, '203.0.113.9')).to.equal(429)
      expect(await guess(shop.connect('127.0.0.3'), '127.0.0.2')).to.equal(401)
    })

    it('lets the API refuse long bodies, URLs and headers, and refuses still longer bodies alike', async () => {
      const post = (bytes: number) =>
        client.send('POST', '/comanda/api/v1/orders', { authorization }, 'x'.repeat(bytes))
      const [refused, refusedByNginx] = [await post(300_000), await post(2_000_000)]
      expect(JSON.parse(refused.body)).to.include({ code: 'payload-too-large', limit_bytes: 262_144 })
      expect(JSON.parse(refusedByNginx.body)).to.include({ code: 'payload-too-large' })
      for (const { status, headers } of [refused, refusedByNginx])
        expect([status, headers['content-type']]).to.deep.equal([413, 'application/problem+json'])
      const long = await read(`/api/v1/orders/${'x'.repeat(9_000)}`)
      expect(JSON.parse(long.body)).to.include({ code: 'path-too-long' })
      const large = await client.send('GET', '/comanda/healthz', { large: 'x'.repeat(17_000) })
      expect(JSON.parse(large.body)).to.include({ code: 'headers-too-large' })
    })

    it('hides the metrics and the readiness of the processes', async () => {
      for (const path of ['/metrics', '/readyz']) {
        const { status, body } = await read(path)
        expect([status, (JSON.parse(body) as { code: string }).code]).to.deep.equal([404, 'route-not-found'])
      }
    })

    it('fails no request while each process is restarted under load', async () => {
      const statuses: number[] = []
      const restarted = new AbortController()
      const load = Array.from({ length: CLIENT_COUNT }, async () => {
        const own = shop.connect()
        while (!restarted.signal.aborted) {
          const placed = await place(own, { 'idempotency-key': randomUUID() })
          const path = `/comanda/api/v1/orders/${orderOf(placed)}`
          const found = await own.send('GET', path, { authorization })
          statuses.push(placed.status, found.status)
        }
      })
      for (const [index, port] of shop.ports.entries()) {
        processes[index]?.signal('SIGTERM')
        expect(await processes[index]?.ended).to.equal(0)
        const before = statuses.length
        processes[index] = await startProcess(port)
        expect(statuses.length).to.be.above(before)
      }
      restarted.abort()
      await Promise.all(load)
      expect(statuses.filter(status => status !== 202 && status !== 200)).to.deep.equal([])
    })

    it('answers with a problem document and Retry-After while no process runs', async () => {
      for (const child of processes) child.signal('SIGTERM')
      await Promise.all(processes.map(({ ended }) => ended))
      const { status, headers, body } = await place()
      expect([status, headers['retry-after']]).to.deep.equal([503, '1'])
      expect(JSON.parse(body)).to.include({ code: 'not-ready' })
    })
  })
})
