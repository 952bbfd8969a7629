import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { quiet } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { describeInBrowser, expectAccessible, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
const THEMES = ['light', 'dark'] as const
const WIDTHS = [1_440, 390, 320]
/** Texts without a place to break. */
const LONG = 'canceling_statement_due_to_'.repeat(6)
const HOST = `${'a-very-long-name-of-a-receiver-'.repeat(2)}1.example`
const ACTION = '019a0000-0000-7000-8000-00000000ac01'

interface View {
  query: string
  /** a text of the view when it is complete */
  shows: string | RegExp
  /** opens what is not in the URL */
  open?: (page: Page) => Promise<void>
}

const press = (name: RegExp) => async (page: Page) => {
  await page.getByRole('button', { name }).first().click()
  await page.getByRole('dialog').waitFor()
}

/** The views and dialogs of the console. `ORDER` stands for the id of an order. */
const views: Record<string, View> = {
  'first screen': { query: '', shows: '1 dead letter is open' },
  'search result': { query: '?view=search&q=ORDER', shows: 'Found: 1' },
  'nothing found': { query: `?view=search&q=${LONG.slice(0, 100)}`, shows: 'Nothing has the id' },
  'story of an order': { query: '?view=order&id=ORDER', shows: 'became a dead letter' },
  'jobs of a queue': { query: '?view=jobs&queue=order.reject&state=retry', shows: 'attempt 3 of 13' },
  'dead letters': { query: '?view=dead-letters', shows: '1 match' },
  'quarantined events': { query: '?view=quarantine', shows: 'quarantined' },
  webhooks: { query: '?view=webhooks', shows: '503 after 41 ms' },
  'one webhook': {
    query: `?view=webhooks&host=${HOST.slice(0, 20)}`,
    shows: '503 after 41 ms',
    open: page => page.locator('summary', { hasText: 'Disable or enable' }).click(),
  },
  'an action in progress': { query: `?view=actions&id=${ACTION}`, shows: '500 of 1600' },
  runbook: { query: '?view=runbook', shows: 'The outbox grows' },
  'entry of the runbook': { query: '?view=runbook&entry=orders-stay-placed', shows: 'npm run ops' },
  'dialog of a change': { query: '', shows: 'order.reject', open: press(/^Pause order.reject/) },
  'dialog of an action': {
    query: '?view=dead-letters',
    shows: '1 match',
    open: async page => {
      await press(/^Discard all/)(page)
      const dialog = page.getByRole('dialog')
      await dialog.getByText('1 match').waitFor()
      await dialog.getByText('In a shell').click()
    },
  },
  'dialog with a time': { query: '?view=webhooks', shows: '503', open: press(/^Send again everything/) },
}

describeInBrowser('the looks of the console in a browser', () => {
  let system: TestSystem
  let order: string
  const pages = TestPages.register()

  before(async () => {
    // Nothing processes what the views show.
    system = await startSystem(['api', 'operations'], quiet)
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 1_000)
    ;({ order_id: order } = await system.api.place(restaurant_id, [menu_item_id, 1]))
    const { order_id: other } = await system.api.place(restaurant_id, [menu_item_id, 1])
    const hook = await system.api.call('POST', '/api/v1/webhooks', { url: `https://${HOST}/hooks` })
    const { database } = system
    await database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, order_id, event_type, error, attempts, first_queued_at, dead_at)
      select uuidv7(), 'inventory.deduct', event_id, event_id, order_id, type, jsonb_build_object('message', $2::text), 13, now(), now()
      from outbox_events
      where order_id = $1`,
      [order, LONG],
    )
    await database.execute(
      `update outbox_events set quarantined_at = now(), error = $2 where order_id = $1`,
      [other, LONG],
    )
    await database.execute(
      `insert into pgboss.job (name, data, state, retry_limit, retry_count, start_after, output, policy)
      values ('order.reject', '{"type":"order.placed.v1"}', 'retry', 12, 3, now() + interval '1 hour', jsonb_build_object('message', $1::text), 'standard')`,
      [LONG],
    )
    await database.execute(
      `with delivery as (
        insert into webhook_deliveries (webhook_id, event_id, type, state, attempts, tries, next_attempt_at)
        values ($1, uuidv7(), 'order.placed.v1', 'PENDING', 1, 1, now() + interval '1 hour')
        returning delivery_id)
      insert into webhook_attempts (delivery_id, attempt_id, at, status, duration_ms, answer)
      select delivery_id, uuidv7(), now(), 503, 41, $2 from delivery`,
      [hook.body['webhook_id'], LONG],
    )
    await database.execute(`update webhooks set failing_since = now() - interval '1 hour'`)
    await database.execute(
      `insert into ops_actions (action_id, kind, filter, actor, reason, matched_count, done_count, failed_count, failures, worked_at, due_at, error)
      values ($1, 'dead-letters.redrive', jsonb_build_object('error', $2::text), 'ada', $2, 1600, 400, 100,
        jsonb_build_object($2::text, 100), now(), now() + interval '1 hour', $2)`,
      [ACTION, LONG],
    )
  })
  after(() => system.stop())

  async function show(page: Page, { query, shows, open }: View): Promise<void> {
    await page.goto(`${system.api.baseUrl}/console${query.replace('ORDER', order)}`)
    await page.getByText(shows).first().waitFor()
    await open?.(page)
  }

  it('fit every view into a phone and a desk, in both themes, by the rules of accessibility', async () => {
    const page = await pages.open(`${system.api.baseUrl}/console`)
    page.setDefaultTimeout(TIMEOUT_MS)
    const misfits: string[] = []
    for (const [name, view] of Object.entries(views)) {
      await show(page, view)
      misfits.push(...(await misfitsOf(page, name)))
    }
    expect(misfits).to.deep.equal([])
  })

  it('lead the Tab key to everything that can be pressed or filled in, with a visible focus', async () => {
    const page = await pages.open(`${system.api.baseUrl}/console`)
    page.setDefaultTimeout(TIMEOUT_MS)
    for (const [name, view] of Object.entries(views)) {
      await show(page, view)
      expect(await missedByTab(page), name).to.deep.equal([])
    }
  })
})

describeInBrowser('the looks of the sign-in of the console', () => {
  let system: TestSystem
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem(['api'], quiet, { AUTH_MODE: 'api-key' })
  })
  after(() => system.stop())

  it('fit into a phone and a desk, in both themes, by the rules of accessibility', async () => {
    const page = await pages.open(`${system.api.baseUrl}/console`)
    page.setDefaultTimeout(TIMEOUT_MS)
    const field = page.getByLabel('API key or token')
    await field.waitFor()
    expect(await misfitsOf(page, 'sign-in')).to.deep.equal([])
    const { key } = await createApiKey(system.database, { name: 'ada', scopes: ['orders:read'] })
    await field.fill(key)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Not for this key' }).waitFor()
    expect(await misfitsOf(page, 'not for this key')).to.deep.equal([])
  })
})

/** Returns what does not fit into a width in a theme. Expects that axe finds no violation. */
async function misfitsOf(page: Page, name: string): Promise<string[]> {
  const misfits: string[] = []
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 })
      const state = `${name}, ${colorScheme}, ${width} px`
      const cut = await cutTexts(page)
      misfits.push(...cut.map(text => `${state}: ${text}`))
      // Other widths have the same elements and colours.
      if (width === 390) await expectAccessible(page, state)
    }
  }
  return misfits
}

/**
 * Returns the texts of which a part is outside of the window, or of a box that does not scroll, and
 * what has to be scrolled sideways.
 */
async function cutTexts(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const widest = document.documentElement.scrollWidth
    const cut = widest > innerWidth ? [`scrolls sideways to ${widest} px`] : []
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const parent = text.parentElement
      if (!parent?.checkVisibility() || parent.closest('.hidden, .skip') || !text.textContent?.trim())
        continue
      const range = document.createRange()
      range.selectNodeContents(text)
      const { left, right } = range.getBoundingClientRect()
      let [from, to] = [0, innerWidth]
      for (let box: Element | null = parent; box; box = box.parentElement)
        if (/hidden|clip/.test(getComputedStyle(box).overflowX)) {
          const bounds = box.getBoundingClientRect()
          ;[from, to] = [Math.max(from, bounds.left), Math.min(to, bounds.right)]
        } else if (/auto|scroll/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth)
          cut.push(`${box.tagName} scrolls sideways`)
      if (left < from - 1 || right > to + 1) cut.push(text.textContent.trim())
    }
    return cut
  })
}

/** Presses Tab until the focus is back. @returns what was not reached, or has no visible focus */
async function missedByTab(page: Page): Promise<string[]> {
  const count = await page.evaluate(() => {
    const all = [...document.querySelectorAll('a[href], button, input, select, summary')].filter(
      element =>
        element.checkVisibility() &&
        !element.matches(':disabled, .skip') &&
        (!document.querySelector('dialog[open]') || element.closest('dialog')),
    )
    for (const element of all) element.setAttribute('data-unreached', '')
    ;(document.activeElement as HTMLElement | null)?.blur()
    document.addEventListener('focusin', ({ target }) => {
      const element = target as Element
      if (getComputedStyle(element).outlineStyle !== 'none') element.removeAttribute('data-unreached')
    })
    return all.length
  })
  expect(count).to.be.above(0)
  for (let press = 0; press < count * 2 + 10; press++) await page.keyboard.press('Tab')
  return await page.evaluate(() =>
    [...document.querySelectorAll('[data-unreached]')].map(element => element.outerHTML.slice(0, 200)),
  )
}
