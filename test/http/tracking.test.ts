import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import type { PlacedOrderReply } from '../../src/orders/order-contract.ts'
import { TrackingLinks } from '../../src/orders/tracking-links.ts'
import { ApiClient } from '../support/api-client.ts'
import { recordingLog } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { StreamClient } from '../support/stream-client.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send } from './send.ts'

const PUBLIC_URL = 'https://shop.example'
const NOTES = 'nobody else may read this'

describe('the tracking of an order by its customer', () => {
  const { log, lines } = recordingLog()
  let system: TestSystem
  let staff: ApiClient
  let restaurant_id: string
  let pizza: string
  let links: TrackingLinks

  before(async () => {
    system = await startSystem(undefined, log, {
      AUTH_MODE: 'api-key',
      PUBLIC_URL,
      TRACK_STREAM_COUNT: 3,
      FAILED_LOGINS_PER_MINUTE: 0,
    })
    const { key } = await createApiKey(system.database, {
      name: 'staff-anna',
      scopes: ['orders:read', 'orders:write', 'orders:status', 'inventory:read', 'inventory:write'],
    })
    staff = new ApiClient(system.api.baseUrl, key)
    ;({ restaurant_id } = await staff.addRestaurant())
    ;({ menu_item_id: pizza } = await staff.addItem(restaurant_id, 1_000))
    links = await TrackingLinks.open(system.database, PUBLIC_URL)
  })
  after(() => system.stop())

  const body = () => ({
    restaurant_id,
    items: [{ menu_item_id: pizza, quantity: 2 }],
    customer_id: 'customer-7',
    notes: NOTES,
    client_reference: undefined as string | undefined,
  })

  async function place(headers: Record<string, string> = {}, more: object = {}) {
    const sent = { ...body(), ...more }
    return await staff.call<PlacedOrderReply>('POST', '/api/v1/orders', sent, headers)
  }

  const tokenOf = (url: string) => url.split('#t=')[1] ?? ''

  async function placed(): Promise<{ order_id: string; token: string }> {
    const { order_id, tracking_url } = (await place()).body
    return { order_id, token: tokenOf(tracking_url) }
  }

  async function track(
    order_id: string,
    headers: Record<string, string>,
    path = 'order',
    base = system.api.baseUrl,
  ): Promise<RawReply> {
    return await send(base, { method: 'GET', path: `/track/${order_id}/${path}`, headers })
  }

  const open = (order_id: string, token: string, base = system.api.baseUrl) =>
    StreamClient.open(`${base}/track/${order_id}/stream`, { 'tracking-token': token })

  it('has one link, which every reply about the order shows, also a replayed one', async () => {
    const key = { 'idempotency-key': 'one-link' }
    const first = await place(key)
    const { order_id, tracking_url } = first.body
    expect(tracking_url).to.match(new RegExp(`^${PUBLIC_URL}/track/${order_id}#t=[\\w-]{22}$`))
    const again = await place(key)
    expect(again.headers.get('idempotency-replayed')).to.equal('true')
    expect(again.body).to.deep.equal(first.body)
    const read = await staff.call('GET', `/api/v1/orders/${order_id}`)
    expect(read.body['tracking_url']).to.equal(tracking_url)
    await staff.untilStatus(order_id, 'PREPARING')
    const ready = `/api/v1/orders/${order_id}/ready`
    for (const attempt of ['first', 'replayed']) {
      const changed = await staff.call('PUT', ready, undefined, { 'idempotency-key': 'ready' })
      expect(changed.body['tracking_url'], attempt).to.equal(tracking_url)
    }
    const path = `/api/v1/restaurants/${restaurant_id}/stream`
    const { body: stream } = await staff.call<{ text: string }>('GET', path)
    expect(stream.text).to.include(tracking_url)
  })

  it('has the same link for an order that is sent again with its client_reference', async () => {
    const first = await place({}, { client_reference: 'till-1-7' })
    const again = await place({}, { client_reference: 'till-1-7' })
    expect(again.body.tracking_url).to.equal(first.body.tracking_url)
  })

  it('stores no token and publishes none', async () => {
    const { body: order } = await place({ 'idempotency-key': 'not-stored' })
    const stored = await system.database.query<{ text: string }>(
      `select body::text as text from idempotency_keys
       union all
       select payload::text from outbox_events where order_id = $1`,
      [order.order_id],
    )
    expect(stored).to.have.length.of.at.least(2)
    expect(JSON.stringify(stored)).not.to.include(tokenOf(order.tracking_url))
    expect(JSON.stringify(stored)).not.to.include('#t=')
  })

  it('shows the customer what the customer may see, and nothing else', async () => {
    const { order_id, token } = await placed()
    await staff.untilStatus(order_id, 'PREPARING')
    await staff.call('POST', `/api/v1/orders/${order_id}/cancel`, { reason: 'prank caller' })
    const { status, headers, text } = await track(order_id, { 'tracking-token': token })
    expect(status).to.equal(200)
    expect(headers).to.include({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex, nofollow' })
    const order = JSON.parse(text) as { steps: object[] }
    const { body: full } = await staff.call<PlacedOrderReply & { timeline: { at: string }[] }>(
      'GET',
      `/api/v1/orders/${order_id}`,
    )
    const step = (seq: number, name: string) => ({
      seq,
      status: name,
      fact: null,
      reason: null,
      at: full.timeline[seq - 1]?.at,
    })
    expect(order).to.deep.equal({
      order_id,
      code: full.code,
      restaurant_name: 'Trattoria',
      total_amount: '19.00',
      currency: 'EUR',
      items: [{ name: 'Pizza', price: '9.50', quantity: 2 }],
      steps: [step(1, 'PLACED'), step(2, 'PREPARING'), step(3, 'CANCELLED')],
    })
  })

  it('refuses every other token, and a token anywhere but in its header', async () => {
    const { order_id, token } = await placed()
    const other = await placed()
    const flipped = (token.startsWith('A') ? 'B' : 'A') + token.slice(1)
    const authorization = `Bearer ${token}`
    const wrong: [headers: Record<string, string>, query?: string][] = [
      [{}],
      [{ 'tracking-token': '' }],
      [{ 'tracking-token': flipped }],
      [{ 'tracking-token': other.token }],
      [{ 'tracking-token': token.slice(0, -1) }],
      [{ 'tracking-token': `${token}A` }],
      [{ 'tracking-token': `${token}=` }],
      [{ authorization }],
      [{ cookie: `t=${token}; tracking-token=${token}` }],
      [{}, `?t=${token}`],
      [{}, `?tracking-token=${token}`],
      // Also with the right header, so that no client gets used to it.
      [{ 'tracking-token': token }, `?t=${token}`],
    ]
    for (const path of ['order', 'stream'])
      for (const [headers, query = ''] of wrong) {
        const reply = await track(order_id, headers, path + query)
        expectProblem(reply, { code: 'tracking-link-invalid' })
        expect(reply.headers['cache-control']).to.equal('no-store')
      }
    expect((await track(order_id, { 'tracking-token': token })).status).to.equal(200)
    expect((await track(order_id.toUpperCase(), { 'tracking-token': token })).status).to.equal(200)
  })

  it('answers the same for an unknown order without its token as for a known one', async () => {
    const unknown = '019a0000-0000-7000-8000-00000abcd001'
    const { order_id } = await placed()
    const detail = async (id: string) => (await track(id, { 'tracking-token': 'x'.repeat(22) })).text
    const withoutId = (text: string) => text.replace(/"request_id":"[^"]+"/, '')
    expect(withoutId(await detail(unknown))).to.equal(withoutId(await detail(order_id)))
    expectProblem(await track('not-an-id', { 'tracking-token': 'x' }), { code: 'tracking-link-invalid' })
    const genuine = tokenOf(links.urlOf(unknown))
    for (const path of ['order', 'stream'])
      expectProblem(await track(unknown, { 'tracking-token': genuine }, path), { code: 'order-not-found' })
  })

  it('opens nothing of the API', async () => {
    const { order_id, token } = await placed()
    for (const headers of [{ 'tracking-token': token }, { authorization: `Bearer ${token}` }]) {
      const reply = await send(system.api.baseUrl, {
        method: 'GET',
        path: `/api/v1/orders/${order_id}`,
        headers,
      })
      expectProblem(reply, { code: 'unauthenticated' })
    }
  })

  it('ends 24 hours after the order, by the clock of Postgres', async () => {
    const { order_id, token } = await placed()
    const header = { 'tracking-token': token }
    await staff.untilStatus(order_id, 'PREPARING')
    const age = (interval: string) =>
      system.database.query(
        `update orders set updated_at = clock_timestamp() - $2::interval, placed_at = placed_at - $2::interval
         where order_id = $1`,
        [order_id, interval],
      )
    await age('30 days')
    expect((await track(order_id, header)).status, 'an open order').to.equal(200)
    await staff.call('POST', `/api/v1/orders/${order_id}/cancel`)
    await age('23 hours 59 minutes')
    expect((await track(order_id, header)).status, 'just before').to.equal(200)
    await age('24 hours')
    for (const path of ['order', 'stream'])
      expectProblem(await track(order_id, header, path), { code: 'tracking-link-expired' })
  })

  it('streams the steps until the order ends, while callers get the events of the same order', async () => {
    const { order_id, token } = await placed()
    const caller = await StreamClient.open(`${staff.baseUrl}/api/v1/orders/${order_id}/stream`, {
      authorization: `Bearer ${await staffKey()}`,
    })
    const customer = await open(order_id, token)
    await staff.untilStatus(order_id, 'PREPARING')
    await staff.call('PUT', `/api/v1/orders/${order_id}/ready`)
    await staff.call('DELETE', `/api/v1/orders/${order_id}/ready`)
    await staff.setStatus(order_id, 'OUT_FOR_DELIVERY')
    await staff.setStatus(order_id, 'DELIVERED')
    await until('both streams have ended', () => !customer.isOpen && !caller.isOpen)
    const [first, ...later] = customer.events
    expect(first?.event).to.equal('order')
    expect(new Set(later.map(({ event }) => event))).to.deep.equal(new Set(['step']))
    const steps = [...((first?.data['steps'] ?? []) as object[]), ...later.map(({ data }) => data)]
    const read = await track(order_id, { 'tracking-token': token })
    expect(steps).to.deep.equal((JSON.parse(read.text) as { steps: object[] }).steps)
    expect(later.flatMap(({ data }) => Object.keys(data))).to.include.members(['seq', 'status', 'at'])
    expect(JSON.stringify(customer.events)).not.to.match(/staff-anna|restaurant_id|customer-7|nobody else/)
    expect(caller.news.map(({ event }) => event)).to.include('order.status.delivered.v1')
    expect(caller.events.map(({ event }) => event)).not.to.include('step')
    const ended = await open(order_id, token)
    await until('the stream of a finished order ends after the order', () => !ended.isOpen)
    expect(ended.events.map(({ event }) => event)).to.deep.equal(['order'])
  })

  async function staffKey(): Promise<string> {
    const scopes = ['orders:read'] as const
    return (await createApiKey(system.database, { name: 'reader', scopes })).key
  }

  it('cannot take the streams of callers, and callers cannot take those of customers', async () => {
    const opened: StreamClient[] = []
    const orders = [await placed(), await placed(), await placed(), await placed()]
    for (const { order_id, token } of orders.slice(0, 3)) opened.push(await open(order_id, token))
    const [last = { order_id: '', token: '' }] = orders.slice(3)
    const refused = await track(last.order_id, { 'tracking-token': last.token }, 'stream')
    expectProblem(refused, { code: 'overloaded' })
    expect(refused.headers['retry-after']).to.equal('1')
    expect((await track(last.order_id, { 'tracking-token': last.token })).status).to.equal(200)
    const board = `${staff.baseUrl}/api/v1/orders/${last.order_id}/stream`
    opened.push(await StreamClient.open(board, { authorization: `Bearer ${await staffKey()}` }))
    const { text } = await (async () => {
      const { key } = await createApiKey(system.database, { name: 'operator', scopes: ['ops'] })
      const headers = { authorization: `Bearer ${key}` }
      return await send(staff.baseUrl, { method: 'GET', path: '/metrics', headers })
    })()
    expect(text).to.match(/^comanda_streams_open\{audience="customers"\} \d/m)
    expect(text).to.match(/^comanda_streams_max_open\{audience="customers"\} 3/m)
    for (const stream of opened) stream.close()
  })

  it('limits the requests for one order, not those for others', async () => {
    const [one, other] = [await placed(), await placed()]
    const statuses = new Set<number>()
    for (let count = 0; count < 121; count++)
      statuses.add((await track(one.order_id, { 'tracking-token': one.token })).status)
    expect([...statuses]).to.deep.equal([200, 429])
    const refused = await track(one.order_id, { 'tracking-token': one.token })
    expectProblem(refused, { code: 'rate-limited' })
    expect(Number(refused.headers['retry-after'])).to.be.within(1, 60)
    expect((await track(other.order_id, { 'tracking-token': other.token })).status).to.equal(200)
  })

  it('writes no token to a log', () => {
    expect(lines.some(({ path }) => String(path).startsWith('/track/'))).to.equal(true)
    const header = lines.filter(line => /#t=|tracking-token/i.test(JSON.stringify(line)))
    expect(header).to.deep.equal([])
  })

  for (const overrides of [
    { AUTH_MODE: 'none', FAILED_LOGINS_PER_MINUTE: 2, CORS_ORIGINS: ['https://till.example'] },
    {
      AUTH_MODE: 'jwt',
      FAILED_LOGINS_PER_MINUTE: 2,
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'comanda',
      JWT_JWKS_URL: 'http://127.0.0.1:9/jwks',
      CORS_ORIGINS: ['https://till.example'],
    },
  ] as const) {
    it(`works the same in another process, whatever its AUTH_MODE: ${overrides.AUTH_MODE}`, async () => {
      const { order_id, token } = await placed()
      const config = { ...testConfig, ...overrides, CORS_ORIGINS: [...overrides.CORS_ORIGINS] }
      const api = await startApi(config, system.url, log)
      try {
        const header = { 'tracking-token': token }
        expect((await track(order_id, header, 'order', api.url)).status).to.equal(200)
        expectProblem(await track(order_id, {}, 'order', api.url), { code: 'tracking-link-invalid' })
        // Guesses are counted. A link that was good before stays good.
        await track(order_id, { 'tracking-token': 'b'.repeat(22) }, 'order', api.url)
        const third = await track(order_id, { 'tracking-token': 'c'.repeat(22) }, 'order', api.url)
        expectProblem(third, { code: 'too-many-failed-logins' })
        expect((await track(order_id, header, 'order', api.url)).status).to.equal(200)
        const stream = await open(order_id, token, api.url)
        await stream.untilEvents(1)
        stream.close()
        const preflight = await send(api.url, {
          method: 'OPTIONS',
          path: `/track/${order_id}/order`,
          headers: {
            origin: 'https://till.example',
            'access-control-request-method': 'GET',
            'access-control-request-headers': 'tracking-token',
          },
        })
        expect(preflight.headers['access-control-allow-headers']).to.include('Tracking-Token')
      } finally {
        await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
      }
    })
  }

  it('has a page that holds no data, sends no referrer and is in no search engine', async () => {
    const page = await send(system.api.baseUrl, { method: 'GET', path: '/track/anything' })
    expect(page.status).to.equal(200)
    expect(page.headers).to.include({
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow',
    })
    expect(page.headers['content-security-policy']).to.include("require-trusted-types-for 'script'")
    expect(page.text).to.include('<meta name="robots" content="noindex, nofollow">')
    const slash = await send(system.api.baseUrl, { method: 'GET', path: '/track/anything/?x=1' })
    expect([slash.status, slash.headers.location]).to.deep.equal([302, '../anything?x=1'])
  })
})
