import { expect } from 'chai'
import { problems } from '../../src/http/problem-catalogue.ts'
import { freePort } from '../support/free-port.ts'
import { hasNginx, type Nginx, startNginx } from '../support/nginx.ts'
import { StreamClient } from '../support/stream-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

/** The API behind `location /comanda/` of nginx, which removes the prefix from requests. */
describe('the API under a path of a reverse proxy', () => {
  if (!hasNginx) {
    console.warn('nginx is missing: the API is not tested behind a proxy')
    it('is tested with nginx under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  let system: TestSystem
  let nginx: Nginx
  /** e.g. `http://127.0.0.1:40001/comanda` */
  let publicUrl: string

  async function start(configured: boolean): Promise<void> {
    const port = await freePort()
    publicUrl = `http://127.0.0.1:${port}/comanda`
    system = await startSystem(['api'], undefined, configured ? { PUBLIC_URL: publicUrl } : {})
    nginx = await startNginx(port, `location /comanda/ { proxy_pass ${system.api.baseUrl}/; }`)
  }

  async function stop(): Promise<void> {
    await nginx.stop()
    await system.stop()
  }

  /** Resolves a reference of a response as a client does, and expects to find it. */
  async function follow(reference: string, base: string): Promise<Response> {
    const url = new URL(reference, base).href
    const response = await fetch(url)
    expect(response.status, url).to.equal(200)
    return response
  }

  async function expectPage(path: string): Promise<void> {
    const page = await follow(path, publicUrl)
    const html = await page.text()
    const references = [...html.matchAll(/\b(?:href|src)="([^"#][^"]*)"/g)].map(([, url = '']) => url)
    expect(references, path).not.to.deep.equal([])
    for (const reference of references) await follow(reference, page.url)
  }

  for (const configured of [true, false]) {
    describe(configured ? 'that PUBLIC_URL names' : 'that PUBLIC_URL does not name', () => {
      before(() => start(configured))
      after(stop)

      it('serves /docs with its assets and the document that it loads', async () => {
        await expectPage('/comanda/docs')
        await expectPage('/comanda/docs/')
        expect((await follow('/comanda/', publicUrl)).url).to.equal(`${publicUrl}/docs`)
        const html = await (await follow('/comanda/docs', publicUrl)).text()
        const [, url = ''] = /"url":"([^"]+)"/.exec(html) ?? []
        expect(await (await follow(url, `${publicUrl}/docs`)).json()).to.have.property('openapi')
      })

      it('serves /board with the files that it loads, and what its caller may do', async () => {
        await expectPage('/comanda/board')
        await expectPage('/comanda/board/?restaurant=x')
        expect(await (await follow('session', `${publicUrl}/board`)).json()).to.have.property('scopes')
      })

      it('serves the pages of problems with working links', async () => {
        await expectPage('/comanda/problems')
        await expectPage('/comanda/problems/')
        for (const code of Object.keys(problems)) await expectPage(`/comanda/problems/${code}`)
      })
    })
  }

  describe('that PUBLIC_URL names, in responses of the API', () => {
    before(() => start(true))
    after(stop)

    const json = { 'content-type': 'application/json' }

    it('sends a Location that leads to the order, also when it repeats a response', async () => {
      const { restaurant_id } = await system.api.addRestaurant()
      const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
      const body = JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
      const headers = { ...json, 'idempotency-key': 'one' }
      for (const path of ['/comanda/api/v1/orders', '/comanda/api/v1/orders/', '/comanda/api/v1/orders']) {
        const sent = { method: 'POST', headers, body }
        const placed = await fetch(new URL(path, publicUrl), sent)
        expect(placed.status).to.equal(202)
        const order = await follow(placed.headers.get('location') ?? '', placed.url)
        expect(await order.json()).to.include({ restaurant_id })
      }
    })

    it('sends Links that lead to the next and the first page of each list', async () => {
      const { restaurant_id } = await system.api.addRestaurant()
      await system.api.addRestaurant()
      for (let count = 0; count < 2; count++) {
        const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
        await system.api.place(restaurant_id, [menu_item_id, 1])
      }
      for (const list of ['orders', 'restaurants', `restaurants/${restaurant_id}/menu`]) {
        const first = await follow(`/comanda/api/v1/${list}?limit=1`, publicUrl)
        const [, next = ''] = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '') ?? []
        const second = await follow(next, first.url)
        const [, again = ''] = /<([^>]+)>; rel="first"/.exec(second.headers.get('link') ?? '') ?? []
        expect(await (await follow(again, second.url)).json()).to.deep.equal(await first.json())
      }
    })

    it('sends problem types that lead to their page', async () => {
      const refused = [
        await fetch(`${publicUrl}/api/v1/orders/none`),
        await fetch(`${publicUrl}/api/v1/orders`, { method: 'POST', headers: json, body: '{' }),
        await fetch(`${publicUrl}/none`),
        await fetch(`${publicUrl}/docs`, { method: 'DELETE' }),
        // Node's HTTP parser rejects the header.
        await fetch(`${system.api.baseUrl}/healthz`, { headers: { large: 'x'.repeat(20_000) } }),
      ]
      for (const response of refused) {
        expect(response.status, response.url).to.be.at.least(400)
        const { type, detail } = (await response.json()) as { type: string; detail: string }
        expect(type).to.match(/^\/comanda\/problems\//)
        const page = await follow(type, publicUrl)
        expect(await page.text()).to.include(`HTTP status ${response.status}`)
        for (const [path] of detail.matchAll(/\/\S*docs/g)) await follow(path, publicUrl)
      }
    })

    it('names itself in the OpenAPI and AsyncAPI documents and in the schemas of events', async () => {
      const openApi = await (await follow('/comanda/openapi.json', publicUrl)).text()
      const { servers } = JSON.parse(openApi) as { servers: { url: string }[] }
      expect(servers.map(({ url }) => url)).to.deep.equal([publicUrl])
      const [, type = ''] = /"type":"(\/[^"]+)"/.exec(openApi) ?? []
      await follow(type, publicUrl)
      const asyncApi = await follow('/comanda/asyncapi.json', publicUrl)
      const { host, pathname } = new URL(publicUrl)
      expect(await asyncApi.json())
        .to.have.nested.property('servers.api')
        .that.includes({ host, pathname })
      const schema = await follow('/comanda/schemas/order.placed.v1.json', publicUrl)
      expect(await schema.json()).to.include({ $id: schema.url })
    })

    it('streams events through the proxy as they occur', async () => {
      const { restaurant_id } = await system.api.addRestaurant()
      const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
      const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
      const stream = await StreamClient.open(`${publicUrl}/api/v1/orders/${order_id}/stream`)
      await stream.untilEvents(1)
      await system.api.cancel(order_id)
      const [snapshot, cancelled] = await stream.untilEvents(2)
      expect([snapshot?.event, cancelled?.event]).to.deep.equal(['snapshot', 'order.cancelled.v1'])
      stream.close()
    })
  })
})
