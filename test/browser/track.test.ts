import { expect } from 'chai'
import type { BrowserContextOptions, Page, Route } from 'playwright-core'
import { startSystem, type TestSystem } from '../support/system.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
const phone = { viewport: { width: 320, height: 640 } }
/** A text that would run in a page that does not escape them. */
const MARKUP = '<img src=x onerror=document.title=1>'

describeInBrowser("the customer's page in a browser", function () {
  let system: TestSystem
  let restaurant_id: string
  let pizza: string
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem()
    const { body } = await system.api.call('POST', '/api/v1/inventory/add/restaurant', { name: MARKUP })
    restaurant_id = String(body['restaurant_id'])
    ;({ menu_item_id: pizza } = await system.api.addItem(restaurant_id, 1_000))
  })
  after(async () => {
    await system.stop()
  })

  async function place(): Promise<{ order_id: string; code: string; link: string }> {
    const { body } = await system.api.call<{ order_id: string; code: string; tracking_url: string }>(
      'POST',
      '/api/v1/orders',
      { restaurant_id, items: [{ menu_item_id: pizza, quantity: 2 }] },
    )
    const { pathname, hash } = new URL(body.tracking_url)
    return { ...body, link: pathname + hash }
  }

  async function open(
    link: string,
    options: BrowserContextOptions = {},
    prepare?: (page: Page) => Promise<void>,
  ): Promise<Page> {
    return await pages.open(system.api.baseUrl + link, options, prepare)
  }

  const untilText = (page: Page, selector: string, hasText: RegExp) =>
    page.locator(selector).filter({ hasText }).first().waitFor({ timeout: TIMEOUT_MS })

  it('follows an order to its end, on a phone and in the dark, and sends no token in a URL', async () => {
    const urls: string[] = []
    const { order_id, code, link } = await place()
    const page = await open(link, { ...phone, colorScheme: 'dark' }, async opening => {
      opening.on('request', request => urls.push(request.url()))
    })
    await untilText(page, '.now', /Being prepared/)
    await untilText(page, '.connection', /^Live/)
    expect(await page.locator('h1').innerText()).to.equal(`Order ${code}`)
    expect(await page.locator('.restaurant').innerText()).to.equal(MARKUP)
    expect(await page.locator('.items').innerText()).to.match(/2×\s*Pizza/)
    await expectAccessible(page, 'an open order')
    await expectNoSidewaysScrolling(page, 320)
    await system.api.call('PUT', `/api/v1/orders/${order_id}/ready`)
    await untilText(page, '.now', /^Ready/)
    await system.api.setStatus(order_id, 'OUT_FOR_DELIVERY')
    await untilText(page, '.now', /On its way/)
    await system.api.setStatus(order_id, 'DELIVERED')
    await untilText(page, '.now', /Delivered/)
    expect(await page.locator('.stages time').count()).to.equal(5)
    expect(await page.locator('.connection').innerText()).to.equal('')
    expect(await page.title()).to.equal(`Delivered · Order ${code}`)
    await expectAccessible(page, 'a delivered order')
    const token = link.split('#t=')[1] ?? ''
    const sent = urls.map(url => url.split('#')[0])
    expect(sent.filter(url => url?.includes(token))).to.deep.equal([])
    expect(sent.filter(url => url?.endsWith('/stream'))).to.have.lengthOf(1)
  })

  it('says that an order was cancelled', async () => {
    const { order_id, link } = await place()
    await system.api.untilStatus(order_id, 'PREPARING')
    const page = await open(link)
    await untilText(page, '.connection', /^Live/)
    await system.api.call('POST', `/api/v1/orders/${order_id}/cancel`, { reason: 'prank caller' })
    await untilText(page, '.status', /was cancelled\. Ask the restaurant/)
    expect(await page.content()).not.to.include('prank')
    await expectAccessible(page, 'a cancelled order')
  })

  it('says what is wrong with a link, and what to do', async () => {
    const [order, other] = [await place(), await place()]
    const token = (link: string) => link.split('#')[1] ?? ''
    const page = await open(`/track/${order.order_id}`)
    await untilText(page, '[role="alert"]', /incomplete: its end is missing\. Open it again/)
    await expectAccessible(page, 'a broken link')
    await page.evaluate(hash => (location.hash = hash), token(other.link))
    await untilText(page, '[role="alert"]', /incomplete or wrong; open it again from the message/)
    // The right link in the same tab.
    await page.evaluate(hash => (location.hash = hash), token(order.link))
    await untilText(page, 'h1', new RegExp(order.code))
    await system.database.execute(
      `update orders set status = 'DELIVERED', updated_at = now() - interval '25 hours' where order_id = $1`,
      [other.order_id],
    )
    const expired = await open(other.link)
    await untilText(expired, '[role="alert"]', /expired, because the order ended.*; ask the restaurant/)
  })

  it('says that an order is unknown', async () => {
    const { link } = await place()
    const page = await open(link, {}, async opening => {
      await opening.route('**/stream', route =>
        answer(route, 404, 'application/problem+json', '{"detail":"No order with id 1"}'),
      )
    })
    await untilText(page, '[role="alert"]', /No order with id 1/)
  })

  it('reads the order without a stream, and says so, when the server has no stream to give', async () => {
    const { order_id, link } = await place()
    await system.api.untilStatus(order_id, 'PREPARING')
    const problem = '{"code":"overloaded","detail":"The table of open streams is full; retry shortly"}'
    const page = await open(link, {}, async opening => {
      await opening.clock.install()
      await opening.route('**/stream', route => answer(route, 503, 'application/problem+json', problem))
    })
    await untilText(page, '.now', /Being prepared/)
    await untilText(page, '.connection', /^Not live\. It was so at .* This page tries again by itself/)
    await expectAccessible(page, 'without a stream')
    await system.api.setStatus(order_id, 'OUT_FOR_DELIVERY')
    await page.clock.fastForward(20_000)
    await untilText(page, '.now', /On its way/)
    await page.unroute('**/stream')
    await page.clock.fastForward(20_000)
    await page.clock.fastForward(1_000)
    await untilText(page, '.connection', /^Live/)
  })

  it('says that the answer is not JSON, and connects when that is over', async () => {
    const { link } = await place()
    const page = await open(link, {}, async opening => {
      await opening.clock.install()
      for (const path of ['**/stream', '**/order'])
        await opening.route(path, route => answer(route, 200, 'text/html', '<h1>Guest Wi-Fi</h1>'))
    })
    await untilText(page, '[role="status"]', /answered with HTTP status 200 and no JSON\. Try again/)
    await page.unrouteAll()
    await page.clock.fastForward(20_000)
    await page.clock.fastForward(1_000)
    await untilText(page, '.connection', /^Live/)
  })

  const answer = (route: Route, status: number, contentType: string, body: string) =>
    route.fulfill({ status, contentType, body, headers: { 'retry-after': '1' } })
})
