import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { startSystem, type TestSystem } from '../support/system.ts'

const sources = join(import.meta.dirname, '..', '..', 'src')
const folders = ['pages/browser', 'board/browser']

describe('/board', () => {
  let system: TestSystem
  let page: Response
  let html: string

  before(async () => {
    system = await startSystem(['api'])
    page = await get('/board')
    html = await page.text()
  })
  after(() => system.stop())

  async function get(reference: string, headers: Record<string, string> = {}): Promise<Response> {
    return await fetch(new URL(reference, system.api.baseUrl), { redirect: 'manual', headers })
  }

  const references = () =>
    [...html.matchAll(/<(?:link|script)\b[^>]*\b(?:href|src)="([^"]*)"/g)].map(([, url = '']) => url)

  it('loads nothing from another host, and names its files by relative URLs', () => {
    expect(page.status).to.equal(200)
    expect(page.headers.get('content-type')).to.equal('text/html; charset=utf-8')
    expect(references()).to.have.length.of.at.least(10)
    for (const url of references()) expect(url).to.match(/^board\/assets\/[\w./-]+$/)
    expect(html).not.to.match(/https?:/)
  })

  it('permits only its own scripts, and HTML only from the templates of lit-html', () => {
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).to.match(
      /^default-src 'none'; script-src 'self'(?: 'sha256-[\w+/=]+'){2}; style-src 'self';/,
    )
    expect(policy).to.include("require-trusted-types-for 'script'; trusted-types lit-html")
    expect(policy).not.to.match(/unsafe|https?:|data:|\*/)
    expect(html).not.to.match(/\son\w+=|style=/)
  })

  it('serves every file with its type and an entity tag, which saves sending it again', async () => {
    const script = 'text/javascript'
    const types: Record<string, string> = { ts: script, js: script, mjs: script, css: 'text/css' }
    for (const url of references()) {
      const file = await get(url)
      expect(file.status, url).to.equal(200)
      const type = types[url.split('.').at(-1) ?? ''] ?? 'image/svg+xml'
      expect(file.headers.get('content-type'), url).to.match(new RegExp(`^${type.replace('+', '\\+')}\\b`))
      expect(file.headers.get('cache-control'), url).to.equal('no-cache')
      expect((await file.text()).length, url).to.be.greaterThan(10)
      const again = await get(url, { 'if-none-match': file.headers.get('etag') ?? '' })
      expect(again.status, url).to.equal(304)
    }
  })

  it('serves each module with the lengths of all its lines as in the source, without types', async () => {
    const names = folders
      .flatMap(folder => readdirSync(join(sources, folder)).map(name => `${folder}/${name}`))
      .filter(name => name.endsWith('.ts'))
    expect(names).to.include('board/browser/main.ts')
    const lengths = (text: string) => text.split('\n').map(line => line.length)
    for (const name of names) {
      const served = await (await get(`/board/assets/${name}`)).text()
      const source = readFileSync(join(sources, name), 'utf8')
      expect(lengths(served), name).to.deep.equal(lengths(source))
      expect(served, name).not.to.match(/^(interface|type|import type) /m)
    }
  })

  it('serves every module that another one imports', async () => {
    const imports = JSON.parse(/<script type="importmap">(.*?)<\/script>/.exec(html)?.[1] ?? '') as {
      imports: Record<string, string>
    }
    const pageUrl = new URL('/board', system.api.baseUrl)
    const seen = new Set<string>()
    const queue = ['board/assets/board/browser/main.ts'].map(path => new URL(path, pageUrl).href)
    for (const url of queue) {
      if (seen.has(url)) continue
      seen.add(url)
      const module = await fetch(url)
      expect(module.status, url).to.equal(200)
      for (const [, name = ''] of (await module.text()).matchAll(/\bfrom ?["']([^"']+)["']/g)) {
        const prefix = Object.keys(imports.imports).find(
          key => key === name || (key.endsWith('/') && name.startsWith(key)),
        )
        const mapped =
          prefix === undefined ? name : (imports.imports[prefix] ?? '') + name.slice(prefix.length)
        queue.push(new URL(mapped, prefix === undefined ? url : pageUrl).href)
      }
    }
    const preloaded = references().filter(url => /\.(ts|m?js)$/.test(url))
    expect([...seen].map(url => new URL(url).pathname.slice(1)).toSorted()).to.deep.equal(
      [...new Set(preloaded.filter(url => !/(api-types|session)\.ts$/.test(url)))].toSorted(),
    )
  })

  it('has no file beside those, and no path out of its folder', async () => {
    for (const path of [
      'pages/browser/tsconfig.json',
      'board/browser/none.ts',
      'console/browser/main.ts',
      '../../package.json',
      'pages/browser/%2e%2e/serve-page.ts',
    ])
      expect((await get(`/board/assets/${path}`)).status, path).to.equal(404)
  })

  it('redirects a path with a slash at its end, with the query', async () => {
    const redirect = await get('/board/?restaurant=x')
    expect(redirect.status).to.equal(302)
    expect(redirect.headers.get('location')).to.equal('../board?restaurant=x')
  })

  it('tells the page what its caller may do', async () => {
    const session = await get('/session')
    expect(session.headers.get('cache-control')).to.equal('no-store')
    const body = (await session.json()) as { scopes: string[] }
    expect(body).to.deep.include({ restaurants: null, demo: false })
    expect(body.scopes).to.include.members(['orders:read', 'orders:status', 'inventory:write'])
  })
})
