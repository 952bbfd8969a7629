import { expect } from 'chai'
import { problems } from '../../src/http/problem-catalogue.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('the problem catalogue', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'])
  })
  after(() => system.stop())

  async function page(path: string): Promise<string> {
    const response = await fetch(new URL(path, system.api.baseUrl))
    expect(response.status, path).to.equal(200)
    expect(response.headers.get('content-type')).to.equal('text/html; charset=utf-8')
    return await response.text()
  }

  it('has a page for each problem, with its meaning and what to do', async () => {
    for (const [code, { status, title }] of Object.entries(problems)) {
      const html = await page(`/problems/${code}`)
      expect(html).to.include(title).and.include(`HTTP status ${status}`)
      expect(html).to.match(/Meaning<\/h2>\n<p>.{30,}<\/p>/)
      expect(html).to.match(/What to do<\/h2>\n<p>.{20,}<\/p>/)
    }
  })

  it('lists all of them', async () => {
    const links = [...(await page('/problems')).matchAll(/href="problems\/([\w-]+)"/g)].map(
      ([, code]) => code,
    )
    expect(links).to.have.members(Object.keys(problems))
  })

  it('is served at the type of a problem', async () => {
    const { body } = await system.api.call('GET', '/api/v1/orders/none')
    expect(await page(String(body['type']))).to.include('Not found: order')
  })

  it('has no page for an unknown code', async () => {
    expect((await system.api.call('GET', '/problems/none')).status).to.equal(404)
  })
})
