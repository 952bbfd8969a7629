import { expect } from 'chai'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { redriveDeadLetters } from '../../src/ops/actions/dead-letters.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until, untilSlowly } from '../support/until.ts'
import { describeInBrowser, expectAccessible, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
/** A text that would run in a page that does not escape it. */
const MARKUP = '<img src=x onerror=document.title=1>'

describeInBrowser('the console in a browser', () => {
  let system: TestSystem
  let restaurant_id: string
  let menu_item_id: string
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem()
    ;({ restaurant_id } = await system.api.addRestaurant())
    ;({ menu_item_id } = await system.api.addItem(restaurant_id, 1_000))
  })
  after(async () => {
    await system.stop()
  })

  async function open(query = '', options: BrowserContextOptions = {}): Promise<Page> {
    const page = await pages.open(`${system.api.baseUrl}/console${query}`, options)
    page.setDefaultTimeout(TIMEOUT_MS)
    await page.locator('.chip', { hasText: 'As of' }).waitFor()
    return page
  }

  /** Places an order whose first job fails until it is a dead letter. */
  async function poisoned(): Promise<string> {
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    await system.api.untilStatus(order_id, 'PREPARING')
    await system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, order_id, event_type, data, error, attempts, first_queued_at, dead_at)
      select uuidv7(), 'inventory.deduct', event_id, event_id, order_id, type,
        json_build_object('event_id', event_id, 'restaurant_id', restaurant_id, 'type', type, 'order_id', order_id, 'payload', payload, 'trace_context', trace_context),
        jsonb_build_object('message', $2::text), 13, now(), now()
      from outbox_events
      where order_id = $1 and type = 'order.placed.v1'`,
      [order_id, MARKUP],
    )
    return order_id
  }

  it('leads from a dead letter to the story of its order, found by code, and shows the redrive', async () => {
    const order = await poisoned()
    const page = await open()
    await page.getByRole('link', { name: '1 dead letter is open', exact: true }).waitFor()
    await page.getByRole('searchbox').fill(orderCode(order).toLowerCase())
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: new RegExp(`^ORDER ${orderCode(order)}`) }).click()
    await page.getByRole('heading', { name: `Order ${orderCode(order)}` }).waitFor()
    expect(await page.locator('.story').innerText())
      .to.include('became a dead letter')
      .and.include(MARKUP)
    expect(await page.locator('img').count()).to.equal(0)
    const command = page.locator('.copy code', { hasText: 'npm run ops -- redrive --id' })
    const [, letter = ''] = /--id ([\w-]+)/.exec((await command.textContent()) ?? '') ?? []

    const boss = await startBoss(system.database, 'producer', 'test', quiet)
    const operator = { actor: 'ada', reason: 'the lock is gone' }
    await system.database.transaction(tx => redriveDeadLetters(tx, boss, { ids: [letter] }, 1, operator))
    await boss.stop({ graceful: false })
    await page.locator('.story', { hasText: 'dead letter redriven' }).waitFor()
    await until('the redriven job is done', async () => {
      const rows = await system.database.query(
        `select from ops.dead_letters where order_id = $1 and redriven_job_state = 'completed'`,
        [order],
      )
      return rows.length === 1
    })
    const audit = await system.database.query(`select actor, reason from ops.audit where action = 'redrive'`)
    expect(audit).to.deep.equal([operator])
    // One effect.
    expect((await system.api.item(menu_item_id)).available_qty).to.equal(999)
    await expectInvariants(system.database)
  })

  it('refreshes itself while it is shown, and says when it is not up to date', async () => {
    const page = await open()
    await page.getByRole('heading', { name: 'No problems' }).waitFor()
    await system.database.execute(
      `insert into paused_queues (queue, actor, reason) values ('order.reject', 'ada', 'x')`,
    )
    await page.getByRole('link', { name: 'paused queues: order.reject', exact: true }).waitFor()
    await system.database.execute('delete from paused_queues')
    await page.getByRole('heading', { name: 'No problems' }).waitFor()
    let calls = 0
    await page.route('**/api/v1/ops/**', route => {
      calls++
      return route.abort()
    })
    await page.getByRole('alert').filter({ hasText: 'The server does not answer' }).waitFor()
    expect(await page.locator('.chip').innerText()).to.match(/^As of \d\d:\d\d:\d\d – not up to date$/)
    await expectAccessible(page, 'not connected')
    // A page in the background reads nothing.
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true })
    })
    const before = calls
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    expect(calls).to.equal(before)
    await page.unroute('**/api/v1/ops/**')
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: false, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    await page.locator('.banner').waitFor({ state: 'detached' })
  })

  it('filters dead letters in the URL, counts them, and reads further pages', async () => {
    await system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_type, error, attempts, first_queued_at, dead_at)
      select uuidv7(), case when n % 5 = 0 then 'order.reject' else 'order.prepare' end, uuidv7(), 'order.placed.v1',
        '{"message":"it can''t be"}', 13, now(), now() - n * interval '1 minute'
      from generate_series(1, 50) as n`,
    )
    const page = await open()
    await page.getByRole('link', { name: '50 dead letters are open', exact: true }).click()
    await page.getByText('50 match').waitFor()
    await page.getByLabel('Queue').fill('order.prepare')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByText('40 match').waitFor()
    expect(new URL(page.url()).search).to.equal('?view=dead-letters&queue=order.prepare')
    const rows = page.locator('main > .rows').last().locator(':scope > li')
    await page.getByRole('button', { name: 'More' }).click()
    await untilSlowly('two pages are shown', async () => (await rows.count()) === 40)
    await page.reload()
    await page.getByText('40 match').waitFor()
    await page.getByRole('link', { name: /^40 in order.prepare/ }).click()
    await page.locator('summary', { hasText: 'Redrive all dead letters that match' }).click()
    expect(await page.locator('.copy code').first().innerText()).to.equal(
      `npm run ops -- redrive --queue order.prepare --type order.placed.v1 --error 'it can'\\''t be' --limit 10000 --reason "…"`,
    )
    await page.goBack()
    await page.getByText('40 match').waitFor()
    await system.database.execute(`delete from dead_letters where error ->> 'message' like 'it%'`)
  })

  it('leads from each figure to its list and its runbook entry', async () => {
    const page = await open()
    for (const [figure, heading] of [
      ['Dead letters', 'Dead letters'],
      ['Quarantine', 'Quarantined events'],
      ['Webhooks', 'Webhooks'],
    ] as const) {
      await page.locator('.figures > div', { hasText: figure }).locator('.value').click()
      await page.getByRole('heading', { name: heading, exact: true }).waitFor()
      await page.goBack()
      await page.locator('.figures').waitFor()
    }
    const count = await page.locator('.figures .runbook').count()
    expect(count).to.equal(8)
    await page.locator('.figures > div', { hasText: 'Outbox' }).locator('.runbook').click()
    await page.getByRole('heading', { name: 'The outbox grows' }).waitFor()
    expect(await page.locator('.copy code').first().innerText()).to.match(/^npm run sql/)
    await page.goBack()
    await page
      .locator('.counts')
      .first()
      .getByRole('link', { name: /retrying$/ })
      .click()
    await page.getByRole('heading', { name: /^Jobs of/ }).waitFor()
  })

  it('works by keys alone', async () => {
    const order = await poisoned()
    const page = await open()
    await page.keyboard.press('/')
    await page.keyboard.type(order)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Found: 1' }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: `Order ${orderCode(order)}` }).waitFor()
    await untilSlowly('the title has the focus', () =>
      page.evaluate(() => document.activeElement?.tagName === 'H2'),
    )
    await system.database.execute('delete from dead_letters')
  })
})

describeInBrowser('the console with authentication', () => {
  let system: TestSystem
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem(['api'], undefined, { AUTH_MODE: 'api-key' })
  })
  after(async () => {
    await system.stop()
  })

  it('opens for a key with the scope ops, and for no other', async () => {
    for (const scope of ['orders:read', 'ops'] as const) {
      const { key } = await createApiKey(system.database, { name: 'ada', scopes: [scope] })
      const page = await pages.open(`${system.api.baseUrl}/console`)
      page.setDefaultTimeout(TIMEOUT_MS)
      await page.getByLabel('API key or token').fill(key)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page
        .getByRole('heading', { name: scope === 'ops' ? /^Problems: / : 'Not for this key' })
        .waitFor()
    }
  })
})
