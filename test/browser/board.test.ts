import { expect } from 'chai'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { Proxy } from '../faults/proxy.ts'
import { freePort } from '../support/free-port.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling, TestPages } from './browser.ts'

const TIMEOUT_MS = 20_000
/** A card that has moved takes no touch for this time. */
const DEAF_MS = 650
const UNDO_MS = 6_000
/** A text that would run in a page that does not escape them. */
const MARKUP = '<img src=x onerror=document.title=1>'

describeInBrowser('the board in a browser', function () {
  let system: TestSystem
  let proxy: Proxy
  let restaurant_id: string
  let pizza: string
  const pages = TestPages.register()

  before(async () => {
    system = await startSystem()
    proxy = await Proxy.listen(Number(new URL(system.api.baseUrl).port))
  })
  after(async () => {
    await proxy.close()
    await system.stop()
  })

  beforeEach(async () => {
    ;({ restaurant_id } = await system.api.addRestaurant())
    ;({ menu_item_id: pizza } = await system.api.addItem(restaurant_id, 1_000))
  })

  async function openBoard(
    options: BrowserContextOptions = {},
    prepare: (page: Page) => Promise<void> = async () => undefined,
  ): Promise<Page> {
    const url = `http://127.0.0.1:${proxy.port}/board?restaurant=${restaurant_id}`
    const page = await pages.open(url, options, async page => {
      await page.clock.install()
      await prepare(page)
    })
    await untilText(page, '.chip', /Live/)
    return page
  }

  async function place(notes?: string): Promise<string> {
    const body = { restaurant_id, items: [{ menu_item_id: pizza, quantity: 2 }], ...(notes ? { notes } : {}) }
    const { body: order } = await system.api.call<{ order_id: string }>('POST', '/api/v1/orders', body)
    await system.api.untilStatus(order.order_id, 'PREPARING')
    return order.order_id
  }

  const placeMany = (count: number) => Promise.all(Array.from({ length: count }, () => place()))

  const untilText = (page: Page, selector: string, hasText: RegExp) =>
    page.locator(selector).filter({ hasText }).first().waitFor({ timeout: TIMEOUT_MS })

  const cardOf = (page: Page, column: string, orderId: string) =>
    page.locator(`[data-column="${column}"] [data-order="${orderId}"]`)

  const untilIn = (page: Page, column: string, orderId: string) =>
    cardOf(page, column, orderId).waitFor({ timeout: TIMEOUT_MS })

  const untilGone = (page: Page, orderId: string) =>
    page.locator(`[data-order="${orderId}"]`).waitFor({ state: 'detached', timeout: TIMEOUT_MS })

  /** Orders are deaf for a moment after they have moved. */
  async function press(page: Page, column: string, orderId: string, button: string | RegExp): Promise<void> {
    const target = cardOf(page, column, orderId).getByRole('button', { name: button })
    await page.clock.runFor(DEAF_MS)
    await target.click()
  }

  /** Lets the time pass in which a gesture can be undone. */
  const passUndoTime = (page: Page) => page.clock.runFor(UNDO_MS)

  /** The ids on the board by column, from top to bottom. */
  async function shown(page: Page): Promise<Record<string, string[]>> {
    return await page.evaluate(() =>
      Object.fromEntries(
        [...document.querySelectorAll<HTMLElement>('[data-column]')].map(section => [
          section.dataset['column'] ?? '',
          [...section.querySelectorAll<HTMLElement>('[data-order]')].map(card => card.dataset['order'] ?? ''),
        ]),
      ),
    )
  }

  /** The open orders of the restaurant as Postgres has them, by column, oldest first. */
  async function stored(): Promise<Record<string, string[]>> {
    const rows = await system.database.query<{ order_id: string; place: string }>(
      `select order_id,
         case when status = 'OUT_FOR_DELIVERY' then 'out' when ready_at is null then 'cook' else 'ready' end as place
       from orders
       where restaurant_id = $1
         and status in ('PREPARING', 'OUT_FOR_DELIVERY')
       order by date_trunc('milliseconds', placed_at), order_id`,
      [restaurant_id],
    )
    const ids = (place: string) => rows.filter(row => row.place === place).map(({ order_id }) => order_id)
    return { cook: ids('cook'), ready: ids('ready'), out: ids('out') }
  }

  const untilShownIsStored = (page: Page) =>
    untilSlowly('the board shows what Postgres has', async () => {
      return JSON.stringify(await shown(page)) === JSON.stringify(await stored())
    })

  const stepsOf = async (orderId: string) =>
    (await system.api.order(orderId)).timeline.map(({ to_status }) => to_status)

  it('shows the orders that Postgres has, in columns and oldest first, and new ones at once', async () => {
    const [first = '', second = ''] = await placeMany(4)
    await system.api.call('PUT', `/api/v1/orders/${first}/ready`)
    await system.api.setStatus(second, 'OUT_FOR_DELIVERY')
    const page = await openBoard()
    await untilShownIsStored(page)
    await place('no nuts')
    await untilShownIsStored(page)
    expect(await page.locator('.note').innerText()).to.match(/Note\s+no nuts/)
    expect(await page.locator('[data-column="cook"] h2').innerText()).to.match(/To cook\s+3/)
  })

  it('shows markup in names and notes as text', async () => {
    await system.api.call('PATCH', `/api/v1/inventory/${pizza}`, { name: MARKUP })
    await system.api.call('PATCH', `/api/v1/restaurants/${restaurant_id}`, { name: MARKUP })
    await place(MARKUP)
    const page = await openBoard()
    expect(await page.locator('h1').innerText()).to.equal(MARKUP)
    expect(await page.locator('.items').innerText()).to.include(MARKUP)
    expect(await page.locator('.note').innerText()).to.include(MARKUP)
    expect(await page.title()).to.include(MARKUP)
    expect(await page.locator('img').count()).to.equal(0)
  })

  it('moves an order on by one step with one touch, and by no more with two', async () => {
    const order = await place()
    const page = await openBoard()
    await untilIn(page, 'cook', order)
    const button = cardOf(page, 'cook', order).getByRole('button').first()
    await page.clock.runFor(DEAF_MS)
    await button.dblclick({ delay: 20 })
    await passUndoTime(page)
    await untilIn(page, 'ready', order)
    expect(await stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    await press(page, 'ready', order, /^Out/)
    await passUndoTime(page)
    await untilIn(page, 'out', order)
    await press(page, 'out', order, /^Delivered/)
    await passUndoTime(page)
    await untilGone(page, order)
    expect((await system.api.order(order)).status).to.equal('DELIVERED')
  })

  it('sends nothing for a gesture that is undone, and takes an order back from Ready', async () => {
    const order = await place()
    const page = await openBoard()
    await untilIn(page, 'cook', order)
    await press(page, 'cook', order, /^Ready/)
    await press(page, 'cook', order, /^Undo/)
    await passUndoTime(page)
    expect(await stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING'])
    await system.api.call('PUT', `/api/v1/orders/${order}/ready`)
    await untilIn(page, 'ready', order)
    await press(page, 'ready', order, /Back to cook/)
    await passUndoTime(page)
    await untilIn(page, 'cook', order)
    expect((await system.api.order(order)).ready_at).to.equal(null)
  })

  it('says that the connection is lost, holds gestures, and catches up without a reload', async () => {
    const [order = '', other = ''] = await placeMany(2)
    const page = await openBoard()
    await untilIn(page, 'cook', order)
    await page.evaluate(() => (document.documentElement.dataset['test'] = 'same page'))
    proxy.retarget(await freePort())
    proxy.cut()
    await untilText(page, '.banner', /Not connected since \d\d:\d\d:\d\d; shown as of then/)
    expect(await page.locator('main.stale').count()).to.equal(1)
    await expectAccessible(page, 'lost')
    await press(page, 'cook', order, /^Ready/)
    await passUndoTime(page)
    await untilText(page, `[data-order="${order}"] .flag`, /held until the connection is back/)
    const meanwhile = await placeMany(3)
    await system.api.call('PUT', `/api/v1/orders/${other}/ready`)
    await system.api.cancel(meanwhile[0] ?? '')
    proxy.retarget(Number(new URL(system.api.baseUrl).port))
    await untilIn(page, 'ready', order)
    await untilShownIsStored(page)
    expect(await page.locator('.banner').count()).to.equal(0)
    expect(await stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    expect(await page.evaluate(() => document.documentElement.dataset['test'])).to.equal('same page')
  })

  it('finds after five minutes of sleep that its line is dead, and catches up', async () => {
    await placeMany(2)
    const page = await openBoard()
    proxy.freeze()
    const missed = await placeMany(2)
    await page.clock.fastForward('05:00')
    await untilText(page, '.banner', /Not connected since/)
    proxy.thaw()
    await untilIn(page, 'cook', missed[0] ?? '')
    await untilShownIsStored(page)
  })

  it('moves an order once when two boards move it, and tells the one that was slower', async () => {
    const order = await place()
    const [first, second] = [await openBoard(), await openBoard()]
    for (const page of [first, second]) await untilIn(page, 'cook', order)
    await Promise.all([first, second].map(page => press(page, 'cook', order, /^Ready/)))
    await Promise.all([first, second].map(passUndoTime))
    for (const page of [first, second]) await untilIn(page, 'ready', order)
    expect(await stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    const notices = async () =>
      (await Promise.all([first, second].map(page => page.locator('.notice').allInnerTexts()))).flat()
    await untilSlowly('one of them shows a notice', async () => (await notices()).length === 1)
    expect((await notices())[0]).to.match(/another screen was faster/)
  })

  it('keeps an order that is cancelled while it is cooked, struck through, until a person has seen it', async () => {
    const order = await place()
    const page = await openBoard()
    await untilIn(page, 'cook', order)
    await page.getByRole('button', { name: 'All day' }).click()
    await untilText(page, '.counts', /2×/)
    await system.api.cancel(order, 'the customer left')
    await untilText(page, `[data-order="${order}"] .flag`, /Cancelled the customer left/)
    await untilText(page, '.panel', /Nothing to cook/)
    const line = await page
      .locator(`[data-order="${order}"] h3`)
      .evaluate(e => getComputedStyle(e).textDecorationLine)
    expect(line).to.equal('line-through')
    await expectAccessible(page, 'cancelled')
    await press(page, 'cook', order, /^Understood/)
    await untilGone(page, order)
  })

  it('cancels an order after a question, with time to undo it', async () => {
    const order = await place()
    const page = await openBoard()
    await untilIn(page, 'cook', order)
    await page.getByRole('button', { name: /^Details of order/ }).click()
    await page.getByText('Cancel this order').click()
    await expectAccessible(page, 'details')
    await page.getByRole('button', { name: /^Cancel order/ }).click()
    expect((await system.api.order(order)).status).to.equal('PREPARING')
    await untilText(page, `[data-order="${order}"] .flag`, /^Cancelled/)
    await passUndoTime(page)
    await system.api.untilStatus(order, 'CANCELLED')
  })

  it('shows what is sold out or off the menu on every board, and changes it', async () => {
    const [first, second] = [await openBoard(), await openBoard()]
    for (const page of [first, second]) await page.getByRole('button', { name: /^Stock/ }).click()
    const item = `[data-item="${pizza}"]`
    await system.api.place(restaurant_id, [pizza, 1_000])
    for (const page of [first, second]) await untilText(page, item, /sold out, 0 left/)
    await first.locator(item).getByRole('spinbutton').fill('7')
    await first.locator(item).getByRole('button', { name: /^Add/ }).click()
    await untilText(first, item, /7 left/)
    await first.locator(item).locator('summary').click()
    await expectAccessible(first, 'stock')
    await first.locator(item).getByRole('button', { name: /^Take/ }).click()
    await untilText(first, item, /off the menu, 7 left/)
    const refused = await system.api.call('POST', '/api/v1/orders', {
      restaurant_id,
      items: [{ menu_item_id: pizza, quantity: 1 }],
    })
    expect(refused.status).to.equal(422)
    await first
      .locator(item)
      .getByRole('button', { name: /^Back on the menu/ })
      .click()
    await untilSlowly('it can be ordered', async () => (await system.api.item(pizza)).active)
  })

  it('works by keys alone, and never loses the focus to an order that arrives or leaves', async () => {
    const orders: string[] = []
    for (let count = 0; count < 3; count++) orders.push(await place())
    const [first = '', second = '', third = ''] = orders
    const page = await openBoard()
    await untilShownIsStored(page)
    const focused = () =>
      page.evaluate(() => document.activeElement?.closest<HTMLElement>('[data-order]')?.dataset['order'])
    await page.keyboard.press('ArrowDown')
    expect(await focused()).to.equal(first)
    await page.clock.runFor(DEAF_MS)
    await page.keyboard.press('Enter')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('3')
    await page.keyboard.press('u')
    await place()
    await passUndoTime(page)
    await untilIn(page, 'ready', first)
    expect(await focused()).to.equal(second)
    // With the focus in Ready, its orders have the numbers, and R takes one back.
    await page.keyboard.press('ArrowRight')
    await untilSlowly('the focus is in Ready', async () => (await focused()) === first)
    await page.clock.runFor(DEAF_MS)
    await page.keyboard.press('r')
    await passUndoTime(page)
    await untilIn(page, 'cook', first)
    expect(await stepsOf(third)).to.deep.equal(['PLACED', 'PREPARING'])
    await page.keyboard.press('?')
    await untilText(page, '.panel', /Keys/)
    await expectAccessible(page, 'keys')
    await page.keyboard.press('Escape')
    await page.keyboard.press('/')
    await page.keyboard.type('1')
    expect(await page.locator('#find').inputValue()).to.equal('1')
    expect((await shown(page)).cook).to.have.length.of.at.most(4)
  })

  it('finds orders by code and keeps search and column in the URL', async () => {
    const [order = ''] = await placeMany(3)
    const { code } = await system.api.order(order)
    const page = await openBoard()
    await untilShownIsStored(page)
    await page.locator('#find').fill(code.toLowerCase())
    await untilSlowly('one order is shown', async () => (await shown(page)).cook?.length === 1)
    await page.locator('#show').selectOption({ label: 'To cook' })
    await page.reload()
    await untilSlowly(
      'one order is shown',
      async () => JSON.stringify(await shown(page)) === `{"cook":["${order}"]}`,
    )
    expect(await page.locator('[data-column="cook"] h2').innerText()).to.match(/1 of 3/)
  })

  it('has no violation of accessibility rules and no sideways scrolling, from phone to wall, light and dark', async () => {
    await placeMany(5)
    await place('a very long note '.repeat(20))
    const [order = ''] = await placeMany(1)
    await system.api.call('PUT', `/api/v1/orders/${order}/ready`)
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openBoard({ colorScheme })
      await untilShownIsStored(page)
      await expectAccessible(page, `rush, ${colorScheme}`)
      for (const width of [320, 390, 768, 1_920, 3_840]) {
        await page.setViewportSize({ width, height: 900 })
        await expectNoSidewaysScrolling(page, width)
      }
      await page.setViewportSize({ width: 390, height: 900 })
      await page.getByRole('button', { name: 'Settings' }).click()
      await expectAccessible(page, `settings on a phone, ${colorScheme}`)
      await expectNoSidewaysScrolling(page, 390)
      await page.getByLabel('Size').selectOption({ label: '200 %' })
      await expectNoSidewaysScrolling(page, 390)
    }
  })

  it('has targets of at least 48 px', async () => {
    await place()
    const page = await openBoard()
    await page.locator('.card').waitFor()
    const heights = await page
      .locator('button:visible, select:visible, input:visible')
      .evaluateAll(elements => elements.map(element => element.getBoundingClientRect().height))
    expect(heights).to.have.length.of.at.least(8)
    expect(Math.min(...heights)).to.be.at.least(48)
  })

  it('tells ages by the clock of the server, and lateness in words', async () => {
    const order = await place()
    await system.database.execute(
      `update orders set placed_at = placed_at - interval '16 minutes' where order_id = $1`,
      [order],
    )
    for (const skewMinutes of [-7, 7]) {
      const page = await openBoard({ timezoneId: 'Asia/Tokyo' }, skewed =>
        skewed.clock.setSystemTime(Date.now() + skewMinutes * 60_000),
      )
      await untilText(page, '.age', /^16 min · late$/)
      const name = await page.locator('article').getAttribute('aria-label')
      expect(name).to.match(/^Order \w{4}, 16 minutes, late, 2 Pizza$/)
    }
  })

  it('explains an unknown restaurant', async () => {
    const url = `http://127.0.0.1:${proxy.port}/board?restaurant=019a0000-0000-7000-8000-00000000ffff`
    const page = await pages.open(url)
    await untilText(page, '.banner', /No restaurant with id 019a0000.*asks again/)
    expect(await page.locator('[data-column]').count(), 'columns of unknown content').to.equal(0)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await expectAccessible(page, `an unknown restaurant, ${colorScheme}`)
    }
    await page.getByRole('link', { name: 'Choose a restaurant' }).click()
    await page.waitForURL(/\/board(\?restaurant=.*)?$/)
  })
})
