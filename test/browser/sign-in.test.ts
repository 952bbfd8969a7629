import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { createApiKey, revokeApiKey } from '../../src/http/auth/api-keys.ts'
import type { Scope } from '../../src/platform/caller.ts'
import { spawnScript } from '../scripts/spawn-script.ts'
import { ApiClient } from '../support/api-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { DEAF_MS } from './board-rig.ts'
import { describeInBrowser, expectAccessible, TestPages } from './browser.ts'

const SLOWLY = { timeout: 20_000 }

describeInBrowser('signing in with a browser', () => {
  let system: TestSystem
  let api: ApiClient
  let restaurant_id: string
  let menu_item_id: string
  let order_id: string
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem(undefined, undefined, { AUTH_MODE: 'api-key', FAILED_LOGINS_PER_MINUTE: 0 })
    const all = await keyWith(['orders:read', 'orders:write', 'inventory:read', 'inventory:write'])
    api = new ApiClient(system.api.baseUrl, all)
    ;({ restaurant_id } = await api.addRestaurant())
    ;({ menu_item_id } = await api.addItem(restaurant_id, 10))
    ;({ order_id } = await api.place(restaurant_id, [menu_item_id, 1]))
    await api.untilStatus(order_id, 'PREPARING')
  })
  after(async () => {
    await system.stop()
  })

  async function keyWith(scopes: Scope[]): Promise<string> {
    return (await createApiKey(system.database, { name: 'pass-1', scopes })).key
  }

  async function open(path: string): Promise<Page> {
    return await pages.open(system.api.baseUrl + path, {}, page => page.clock.install())
  }

  async function signIn(page: Page, key: string): Promise<void> {
    await page.getByLabel('API key or token').fill(key)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  it('shows the board with the buttons that the key permits, until the person signs out', async () => {
    const page = await open('/board')
    await page.getByLabel('API key or token').waitFor()
    await expectAccessible(page, 'signing in')
    await signIn(page, `comanda_${'x'.repeat(43)}`)
    await page.getByText('The token is invalid').waitFor()
    await signIn(page, await keyWith(['orders:read', 'inventory:read']))
    await page.locator('.card').waitFor()
    expect(await page.locator('.card .move').count()).to.equal(0)
    await page.getByRole('button', { name: /^Stock/ }).click()
    await page.locator('[data-item]').waitFor()
    expect(await page.locator('[data-item]').locator('button, input, summary').count()).to.equal(0)
    const refused = await page.evaluate(async item => {
      const { status } = await fetch(`api/v1/inventory/${item}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'read-only' },
        body: '{"active":false}',
      })
      return status
    }, menu_item_id)
    expect(refused).to.equal(403)
    expect(await page.evaluate(() => document.cookie)).to.equal('')
    await page.reload()
    await page.locator('.card').waitFor()
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key or token').waitFor()
  })

  it('says what happened and what to do when the server does not answer a sign-in as expected', async () => {
    const page = await open('/board')
    const key = await keyWith(['orders:read', 'inventory:read'])
    const json = 'application/problem+json'
    const full = '{"code":"overloaded","detail":"The server has no capacity; retry shortly"}'
    for (const [status, contentType, body, sentence] of [
      [503, json, full, /^The server has no capacity; retry shortly\.$/],
      [502, 'text/html', '<h1>Bad gateway</h1>', /HTTP status 502 and no JSON\. Try again, or ask/],
      [200, 'text/html', '<h1>Guest Wi-Fi</h1>', /HTTP status 200 and no JSON\. Try again, or ask/],
      [200, 'text/html', '', /HTTP status 200 and no JSON\. Try again, or ask/],
      [0, '', '', /^The server does not answer\. Is this device connected to the network\?$/],
    ] as const) {
      await page.route('**/session', route =>
        status === 0 ? route.abort() : route.fulfill({ status, contentType, body }),
      )
      await signIn(page, key)
      await page.locator('.problem').filter({ hasText: sentence }).waitFor()
      await page.unroute('**/session')
    }
    await signIn(page, 'two words')
    await page.getByText('This is no API key and no token: it has other characters.').waitFor()
    await expectAccessible(page, 'a sign-in that has failed')
    await signIn(page, key)
    await page.locator('.card').waitFor()
  })

  it('moves an order with the scope for it', async () => {
    const page = await open('/board')
    await signIn(page, await keyWith(['orders:read', 'orders:status', 'inventory:read']))
    await page.locator('.column.cook .card').waitFor()
    await page.clock.runFor(DEAF_MS)
    await page.getByRole('button', { name: /^Ready/ }).click()
    await page.locator('.column.ready .card').waitFor({ timeout: 20_000 })
  })

  it('signs a board out within a minute after its key is revoked, and shows what was true then', async () => {
    const { key, key_id } = await createApiKey(system.database, {
      name: 'lost tablet',
      scopes: ['orders:read', 'orders:status', 'inventory:read'],
    })
    const page = await open('/board')
    await signIn(page, key)
    await page.locator('.chip.live').waitFor()
    await revokeApiKey(system.database, key_id)
    await aMinuteLater(() => page.getByText('its key was revoked or its session is over').waitFor(SLOWLY))
    expect(await page.locator('main.stale .card').count()).to.equal(1)
    await expectAccessible(page, 'signed out')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByLabel('API key or token').waitFor()
  })

  it('gives pages of other origins nothing and lets them change nothing, also with the session', async () => {
    const page = await open('/board')
    await signIn(page, await keyWith(['orders:read', 'orders:write', 'orders:status', 'inventory:read']))
    await page.locator('.chip.live').waitFor()
    const before = await api.order(order_id)
    const foreign = createServer((_, response) => response.end('<!doctype html><title>Other</title>'))
    await new Promise<void>(done => foreign.listen(0, '127.0.0.1', done))
    const { port } = foreign.address() as AddressInfo
    try {
      // Cookies do not know ports: the first is the same site. The second is another one.
      for (const host of ['127.0.0.1', 'localhost']) {
        await page.goto(`http://${host}:${port}/`)
        const answers = await page.evaluate(callAsForeigner, {
          base: system.api.baseUrl,
          order_id,
          order: { restaurant_id, items: [{ menu_item_id, quantity: 1 }] },
        })
        expect(answers, host).to.deep.equal(answers.map(() => 'nothing'))
      }
    } finally {
      foreign.close()
    }
    expect(await api.order(order_id)).to.deep.equal(before)
    expect((await api.call<unknown[]>('GET', '/api/v1/orders')).body).to.have.lengthOf(1)
    await page.goto(`${system.api.baseUrl}/board`)
    await page.locator('.chip.live').waitFor()
  })

  it('leads from /docs to the sign-in and back, where changes work', async () => {
    const page = await open('/docs')
    page.setDefaultTimeout(60_000)
    await signIn(page, await keyWith(['inventory:write']))
    await page.waitForURL('**/docs')
    await page.locator('[id$="-addRestaurant"] .opblock-summary-control').dispatchEvent('click')
    // Swagger UI draws Execute before the body. A click before the body is there sends nothing.
    await page.locator('[id$="-addRestaurant"] .body-param__text', { hasText: '"name"' }).waitFor()
    await page.getByRole('button', { name: 'Execute' }).dispatchEvent('click')
    await page.locator('.live-responses-table .response-col_status', { hasText: '201' }).waitFor()
  })

  it('opens the only restaurant of the key of a screen, which moves orders and changes nothing else', async () => {
    await api.addRestaurant()
    const args = ['--create', 'pass-2', '--screen', '--restaurant', restaurant_id]
    const { status, stdout, stderr } = await spawnScript('keys', args, { DATABASE_URL: system.url }).ended
    expect(status, stderr).to.equal(0)
    const page = await open('/board')
    await signIn(page, stdout.trim())
    await page.waitForURL(`**/board?restaurant=${restaurant_id}`)
    await page.locator('.card .move').waitFor()
    await page.getByRole('button', { name: /^Details of order/ }).click()
    await page.locator('#panel-title').waitFor()
    expect(await page.getByText('Cancel this order').count()).to.equal(0)
    await page.getByRole('button', { name: /^Stock/ }).click()
    await page.locator('[data-item]').waitFor()
    expect(await page.locator('[data-item]').locator('button, input, summary').count()).to.equal(0)
  })

  it('explains links that are broken and restaurants that the key may not see', async () => {
    const other = await api.addRestaurant()
    const { key } = await createApiKey(system.database, {
      name: 'pass-3',
      scopes: ['orders:read'],
      restaurant_ids: [restaurant_id],
    })
    const page = await open(`/board?restaurant=${other.restaurant_id}`)
    await signIn(page, key)
    await page.locator('.banner', { hasText: `No restaurant with id ${other.restaurant_id}` }).waitFor()
    await page.goto(`${system.api.baseUrl}/board?restaurant=${restaurant_id.slice(0, 20)}`)
    await page.locator('.banner', { hasText: /The board asks again every 30 seconds/ }).waitFor()
    await page.getByRole('link', { name: 'Choose a restaurant' }).click()
    await page.locator('.card').waitFor()
  })
})

/** Lets the caches and intervals of this process believe that a minute has passed. */
async function aMinuteLater(act: () => Promise<void>): Promise<void> {
  const now = performance.now.bind(performance)
  performance.now = () => now() + 60_000
  try {
    await act()
  } finally {
    performance.now = now
  }
}

/** Calls the API from a page of another origin. @returns what each answer gave to the page */
async function callAsForeigner({
  base,
  order_id,
  order,
}: {
  base: string
  order_id: string
  order: object
}): Promise<string[]> {
  const call = async (path: string, init: RequestInit) => {
    try {
      const response = await fetch(base + path, { credentials: 'include', ...init })
      return response.type === 'opaque' ? 'nothing' : `HTTP ${response.status}`
    } catch {
      return 'nothing'
    }
  }
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'foreign' }
  const body = JSON.stringify(order)
  return [
    await call('/api/v1/orders', { method: 'POST', mode: 'no-cors', body }),
    await call('/api/v1/orders', { method: 'POST', headers, body }),
    await call(`/api/v1/orders/${order_id}/ready`, { method: 'PUT', headers }),
    await call(`/api/v1/orders/${order_id}/status`, { method: 'PATCH', headers, body }),
    await call(`/api/v1/orders/${order_id}/cancel`, { method: 'POST', mode: 'no-cors' }),
    await call(`/api/v1/orders/${order_id}`, {}),
    await call(`/api/v1/orders/${order_id}/stream`, {}),
    await call('/session', { method: 'GET' }),
  ]
}
