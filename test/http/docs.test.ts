import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { swaggerPlugin } from '../../src/http/openapi/swagger-plugin.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { operationsOf } from './operations.ts'

describe('/docs', () => {
  let system: TestSystem
  let page: Response
  let html: string

  before(async () => {
    system = await startSystem(['api'])
    page = await get('/docs')
    html = await page.text()
  })
  after(() => system.stop())

  async function get(reference: string): Promise<Response> {
    return await fetch(new URL(reference, system.api.baseUrl), { redirect: 'manual' })
  }

  /** Each directive of the page's Content-Security-Policy with its sources. */
  function policy(): Map<string, string[]> {
    const directives = (page.headers.get('content-security-policy') ?? '').split(';')
    return new Map(
      directives.map(directive => {
        const [name = '', ...sources] = directive.trim().split(/\s+/)
        return [name, sources]
      }),
    )
  }

  function references(): string[] {
    return [...html.matchAll(/<(?:link|script|img|iframe)\b[^>]*\b(?:href|src)="([^"]*)"/g)].map(
      ([, url = '']) => url,
    )
  }

  it('is a page that loads nothing from another host, by relative URLs', () => {
    expect(page.status).to.equal(200)
    expect(page.headers.get('content-type')).to.equal('text/html; charset=utf-8')
    expect(references()).to.have.length.of.at.least(4)
    for (const url of references()) expect(url).to.match(/^docs\/assets\/[\w.-]+$/)
    // The only remaining remote addresses are XML namespaces.
    const elsewhere = [...html.matchAll(/https?:\/\/[^"'\s)]+/g)].map(([url]) => url)
    expect(new Set(elsewhere)).to.deep.equal(
      new Set(['http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink']),
    )
    expect(html).not.to.match(/@import|url\(/)
  })

  it('serves every asset of the page with its content type', async () => {
    const types = { css: 'text/css', js: 'text/javascript', png: 'image/png' }
    for (const url of references()) {
      const asset = await get(url)
      expect(asset.status, url).to.equal(200)
      const extension = url.split('.').at(-1) as keyof typeof types
      expect(asset.headers.get('content-type'), url).to.match(new RegExp(`^${types[extension]}\\b`))
      expect(asset.headers.get('cache-control'), url).to.match(/max-age=\d+/)
      expect((await asset.arrayBuffer()).byteLength, url).to.be.greaterThan(100)
    }
  })

  it('loads the document of this server and no external validator', async () => {
    const options = JSON.parse(/const options = (\{.*\});/.exec(html)?.[1] ?? '{}') as Record<string, unknown>
    expect(options).to.include({ url: 'openapi.json', validatorUrl: 'none' })
    const document = await get('/openapi.json')
    expect(document.status).to.equal(200)
    expect(document.headers.get('content-type')).to.match(/^application\/json\b/)
    expect(await document.json())
      .to.have.property('openapi')
      .that.matches(/^3\.1/)
  })

  it('permits only its own scripts, the inline one by hash', () => {
    const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)]
    const hashes = scripts.map(
      ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
    )
    expect(hashes).to.have.lengthOf(1)
    expect(policy().get('script-src')).to.have.members(["'self'", ...hashes])
    expect(policy().get('default-src')).to.deep.equal(["'none'"])
    expect(policy().get('connect-src')).to.deep.equal(["'self'"])
    expect(page.headers.get('content-security-policy')).not.to.match(/unsafe-eval|https?:|\*/)
    expect(html).not.to.match(/\son\w+=|javascript:/)
  })

  it('is unchanged at each request and is the target of /', async () => {
    const again = await get('/docs')
    expect(await again.text()).to.equal(html)
    expect(again.headers.get('content-security-policy')).to.equal(page.headers.get('content-security-policy'))
    const root = await get('/')
    expect(root.status).to.equal(302)
    expect(root.headers.get('location')).to.equal('docs')
    expect((await get('/docs/')).headers.get('location')).to.equal('../docs')
  })

  describe('the plugin of Swagger UI', () => {
    // The plugin runs in the page; here it gets the only thing of a browser that it uses.
    const plugin = () => {
      const browser = globalThis as { document?: object }
      browser.document = { baseURI: 'https://shop.example/comanda/docs' }
      try {
        return swaggerPlugin()
      } finally {
        delete browser.document
      }
    }

    it('is in the page as it is in the source', () => {
      expect(html).to.include(swaggerPlugin.toString())
    })

    it('sends requests to the server of the page, without the examples of optional parameters', () => {
      const example = 'x'
      const parameters = [{ required: true, example }, { required: false, example }, { example }]
      const { updateJsonSpec } = plugin().statePlugins.spec.wrapActions
      const loaded = { paths: { '/a': { get: { parameters } } }, servers: [{ url: 'https://other.example' }] }
      expect(updateJsonSpec(document => document)(loaded)).to.deep.equal({
        paths: { '/a': { get: { parameters: [{ required: true, example }, { required: false }, {}] } } },
        servers: [{ url: 'https://shop.example/comanda' }],
      })
    })

    it('has no Execute for streams, which would not end', async () => {
      const { allowTryItOutFor } = plugin().statePlugins.spec.wrapSelectors
      const { body } = await system.api.call('GET', '/openapi.json')
      const denied = operationsOf(body).filter(
        ({ path, method }) => !allowTryItOutFor(() => true)({}, path, method),
      )
      expect(denied.map(({ operationId }) => operationId)).to.deep.equal(['streamOrder', 'streamRestaurant'])
    })

    it('collapses error responses until they are opened', () => {
      const opened: boolean[] = []
      const React = {
        createElement: (type: unknown, props: object, ...children: unknown[]) => ({ type, props, children }),
        useState: (initial: unknown) => [initial, (value: boolean) => opened.push(value)] as never,
      }
      const show = (code: string) =>
        plugin().wrapComponents.response(() => 'original', { React })({
          code,
          response: { get: name => name },
        })
      expect(show('200')).to.have.property('type').that.is.a('function')
      const collapsed = show('404') as { type: string }
      expect(collapsed.type).to.equal('tr')
      expect(JSON.stringify(collapsed)).to.include('404').and.include('description ▸')
    })
  })

  it('is not served at other paths that end in /docs', async () => {
    const { api } = system
    const order = await api.call('GET', '/api/v1/orders/docs')
    expect(order).to.deep.include({ status: 404 })
    expect(order.body).to.include({ code: 'order-not-found' })
    expect((await api.call('GET', '/api/v1/docs')).body).to.include({ code: 'route-not-found' })
    expect((await api.call('GET', '/x/docs')).body).to.include({ code: 'route-not-found' })
  })

  it('does not loosen the content policy of API responses', async () => {
    const { headers } = await system.api.call('GET', '/api/v1/orders/x')
    expect(headers.get('content-security-policy')).to.match(/^default-src 'none'/)
    expect(headers.get('x-content-type-options')).to.equal('nosniff')
  })

  it('has no header that browsers reject over plain HTTP', () => {
    expect([...page.headers.keys()]).not.to.include.members(['cross-origin-opener-policy'])
    expect([...page.headers.keys()]).not.to.include.members(['origin-agent-cluster'])
  })
})
