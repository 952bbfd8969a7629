import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import type { Scope } from '../../src/platform/caller.ts'
import { ApiClient } from '../support/api-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { describeInBrowser, expectAccessible, TestPages } from './browser.ts'

/** A card that has moved takes no touch for this time. */
const DEAF_MS = 650

describeInBrowser('signing in with a browser', function () {
  let system: TestSystem
  let api: ApiClient
  let restaurant_id: string
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem(undefined, undefined, { AUTH_MODE: 'api-key', FAILED_LOGINS_PER_MINUTE: 0 })
    const all = await keyWith(['orders:read', 'orders:write', 'inventory:read', 'inventory:write'])
    api = new ApiClient(system.api.baseUrl, all)
    ;({ restaurant_id } = await api.addRestaurant())
    const { menu_item_id } = await api.addItem(restaurant_id, 10)
    const { order_id } = await api.place(restaurant_id, [menu_item_id, 1])
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
    expect(await page.evaluate(() => document.cookie)).to.equal('')
    await page.reload()
    await page.locator('.card').waitFor()
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key or token').waitFor()
  })

  it('moves an order with the scope for it', async () => {
    const page = await open('/board')
    await signIn(page, await keyWith(['orders:read', 'orders:status', 'inventory:read']))
    await page.locator('.column.cook .card').waitFor()
    await page.clock.runFor(DEAF_MS)
    await page.getByRole('button', { name: /^Ready/ }).click()
    await page.locator('.column.ready .card').waitFor({ timeout: 20_000 })
  })

  it('leads from /docs to the sign-in and back, where changes work', async function () {
    this.timeout(120_000)
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
})
