import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { freePort } from '../support/free-port.ts'
import { until, untilSlowly } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'
import {
  cardOf,
  DEAF_MS,
  passUndoTime,
  portOf,
  press,
  registerBoards,
  shown,
  untilGone,
  untilIn,
  untilText,
} from './board-rig.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling, openPage } from './browser.ts'

/** A text that would run in a page that does not escape them. */
const MARKUP = '<img src=x onerror=document.title=1>'

describeInBrowser('the board in a browser', () => {
  const boards = registerBoards({ WEBHOOK_ALLOW_PRIVATE: true })

  it('shows the orders that Postgres has, in columns and oldest first, and new ones at once', async () => {
    const [first = '', second = ''] = await boards.rig.placeMany(4)
    await boards.rig.system.api.call('PUT', `/api/v1/orders/${first}/ready`)
    await boards.rig.system.api.setStatus(second, 'OUT_FOR_DELIVERY')
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    await boards.rig.place('no nuts')
    await boards.rig.untilShownIsStored(page)
    expect(await page.locator('.note').innerText()).to.match(/Note\s+no nuts/)
    expect(await page.locator('[data-column="cook"] h2').innerText()).to.match(/To cook\s+3/)
  })

  it('shows markup in names and notes as text', async () => {
    await boards.rig.system.api.call('PATCH', `/api/v1/inventory/${boards.rig.pizza}`, { name: MARKUP })
    await boards.rig.system.api.call('PATCH', `/api/v1/restaurants/${boards.rig.restaurant_id}`, {
      name: MARKUP,
    })
    await boards.rig.place(MARKUP)
    const page = await boards.rig.openBoard()
    expect(await page.locator('h1').innerText()).to.equal(MARKUP)
    expect(await page.locator('.items').innerText()).to.include(MARKUP)
    expect(await page.locator('.note').innerText()).to.include(MARKUP)
    expect(await page.title()).to.include(MARKUP)
    expect(await page.locator('img').count()).to.equal(0)
  })

  it('moves an order on by one step with one touch, and by no more with two', async () => {
    const order = await boards.rig.place()
    const page = await boards.rig.openBoard()
    await untilIn(page, 'cook', order)
    const button = cardOf(page, 'cook', order).getByRole('button').first()
    await page.clock.runFor(DEAF_MS)
    await button.dblclick({ delay: 20 })
    await passUndoTime(page)
    await untilIn(page, 'ready', order)
    expect(await boards.rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    await press(page, 'ready', order, /^Out/)
    await passUndoTime(page)
    await untilIn(page, 'out', order)
    await press(page, 'out', order, /^Delivered/)
    await passUndoTime(page)
    await untilGone(page, order)
    expect((await boards.rig.system.api.order(order)).status).to.equal('DELIVERED')
  })

  it('ignores a touch on an order that has just slid under the finger', async () => {
    const [first = '', second = ''] = (await boards.rig.placeMany(2)).toSorted()
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    await page.clock.runFor(DEAF_MS)
    await page.evaluate(
      ([left, next]) => {
        const touch = new MutationObserver(() => {
          if (document.querySelector(`[data-column="cook"] [data-order="${left}"]`)) return
          touch.disconnect()
          document.querySelector<HTMLElement>(`[data-order="${next}"] .move`)?.click()
          document.documentElement.dataset['touched'] = 'yes'
        })
        touch.observe(document.body, { subtree: true, childList: true })
      },
      [first, second] as const,
    )
    await boards.rig.system.api.call('PUT', `/api/v1/orders/${first}/ready`)
    await page.locator('html[data-touched]').waitFor()
    await untilIn(page, 'ready', first)
    await passUndoTime(page)
    expect(await boards.rig.stepsOf(second)).to.deep.equal(['PLACED', 'PREPARING'])
    // Later, the same touch moves it.
    await press(page, 'cook', second, /^Ready/)
    await passUndoTime(page)
    await untilIn(page, 'ready', second)
  })

  it('sends nothing for a gesture that is undone, and takes an order back from Ready', async () => {
    const order = await boards.rig.place()
    const page = await boards.rig.openBoard()
    const changes: string[] = []
    page.on('request', request => void (request.method() === 'GET' || changes.push(request.url())))
    await untilIn(page, 'cook', order)
    await press(page, 'cook', order, /^Ready/)
    await expectAccessible(page, 'a change that can be undone')
    await press(page, 'cook', order, /^Undo/)
    await passUndoTime(page)
    expect(changes).to.deep.equal([])
    expect(await boards.rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING'])
    await boards.rig.system.api.call('PUT', `/api/v1/orders/${order}/ready`)
    await untilIn(page, 'ready', order)
    await press(page, 'ready', order, /Back to cook/)
    await passUndoTime(page)
    await untilIn(page, 'cook', order)
    expect((await boards.rig.system.api.order(order)).ready_at).to.equal(null)
  })

  it('says that the connection is lost, holds gestures, and catches up without a reload', async () => {
    const [order = '', other = ''] = await boards.rig.placeMany(2)
    const page = await boards.rig.openBoard()
    await untilIn(page, 'cook', order)
    await page.evaluate(() => (document.documentElement.dataset['test'] = 'same page'))
    boards.rig.proxy.retarget(await freePort())
    boards.rig.proxy.cut()
    await untilText(page, '.banner', /Not connected since \d\d:\d\d:\d\d; shown as of then/)
    expect(await page.locator('main.stale').count()).to.equal(1)
    await expectAccessible(page, 'lost')
    await press(page, 'cook', order, /^Ready/)
    await passUndoTime(page)
    await untilText(page, `[data-order="${order}"] .flag`, /held until the connection is back/)
    const meanwhile = await boards.rig.placeMany(3)
    await boards.rig.system.api.call('PUT', `/api/v1/orders/${other}/ready`)
    await boards.rig.system.api.cancel(meanwhile[0] ?? '')
    boards.rig.proxy.retarget(portOf(boards.rig.system.api))
    await untilIn(page, 'ready', order)
    await boards.rig.untilShownIsStored(page)
    expect(await page.locator('.banner').count()).to.equal(0)
    expect(await boards.rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    expect(await page.evaluate(() => document.documentElement.dataset['test'])).to.equal('same page')
  })

  it('says that a module was not loaded, and loads itself again when the server answers', async () => {
    let state: 'broken' | 'away' | 'well' = 'broken'
    let tries = 0
    const phone = { viewport: { width: 390, height: 844 }, colorScheme: 'dark' } as const
    const page = await boards.rig.openPage(boards.rig.url, phone, async opened => {
      await opened.clock.install()
      await opened.route('**/board/browser/gestures.ts', route =>
        state === 'well' ? route.continue() : route.abort(),
      )
      await opened.route('**/board?*', route => {
        if (state !== 'away') return route.continue()
        tries += 1
        return tries === 1 ? route.abort() : route.fulfill({ status: 502, body: 'Bad Gateway' })
      })
    })
    await untilText(page, '[role=alert]', /not loaded completely\. It tries again/)
    await expectAccessible(page, 'not loaded')
    await expectNoSidewaysScrolling(page, 390)
    await page.evaluate(() => (document.documentElement.dataset['test'] = 'same page'))
    state = 'away'
    await untilSlowly('the page has tried twice', async () => {
      await page.clock.runFor(10_000)
      return tries >= 2
    })
    expect(await page.evaluate(() => document.documentElement.dataset['test'])).to.equal('same page')
    state = 'well'
    await untilLoadedAgain(page)
    expect(page.url()).to.equal(boards.rig.url)
  })

  it('loads itself again when modules of two versions stopped it before it drew anything', async () => {
    let isMixed = true
    const { page, failures, close } = await openPage(boards.rig.browser, boards.rig.url, {}, async opened => {
      await opened.clock.install()
      await opened.route('**/board/browser/gestures.ts', route =>
        isMixed ? route.fulfill({ contentType: 'text/javascript', body: 'export {}' }) : route.continue(),
      )
    })
    await untilText(page, '[role=alert]', /not loaded completely/)
    isMixed = false
    await untilLoadedAgain(page)
    await close()
    expect(failures).to.have.lengthOf.at.least(1)
    for (const failure of failures) expect(failure).to.match(/does not provide an export/)
  })

  /** Advances the clock until the board is there. A reload interrupts calls of the page. */
  const untilLoadedAgain = (page: Page) =>
    untilSlowly('the board is loaded', async () => {
      await page.clock.runFor(10_000).catch(() => undefined)
      return (await page.locator('.chip').count()) === 1
    })

  it('finds within 40 s of silence that its line is dead, and catches up', async () => {
    await boards.rig.placeMany(2)
    const page = await boards.rig.openBoard()
    boards.rig.proxy.freeze()
    const missed = await boards.rig.placeMany(2)
    await page.clock.runFor(40_000)
    await untilText(page, '.banner', /Not connected since/)
    boards.rig.proxy.thaw()
    await untilIn(page, 'cook', missed[0] ?? '')
    await boards.rig.untilShownIsStored(page)
  })

  it('moves an order once when two boards move it, and tells the one that was slower', async () => {
    const { api } = boards.rig.system
    const receiver = await Receiver.start()
    boards.stops.push(() => receiver.stop())
    await api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    const order = await boards.rig.place()
    const [first, second] = [await boards.rig.openBoard(), await boards.rig.openBoard()]
    for (const page of [first, second]) await untilIn(page, 'cook', order)
    await Promise.all([first, second].map(page => press(page, 'cook', order, /^Ready/)))
    // The proxy holds both requests until both boards have sent theirs.
    boards.rig.proxy.freeze()
    await Promise.all([first, second].map(passUndoTime))
    for (const page of [first, second]) await untilText(page, '.flag', /Ready: being sent/)
    await expectAccessible(first, 'sending')
    expect(await boards.rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING'])
    boards.rig.proxy.release()
    for (const page of [first, second]) await untilIn(page, 'ready', order)
    expect(await boards.rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    const notices = async () =>
      (await Promise.all([first, second].map(page => page.locator('.notice').allInnerTexts()))).flat()
    await untilSlowly('one of them shows a notice', async () => (await notices()).length === 1)
    expect((await notices())[0]).to.match(/another screen was faster/)
    const events = await boards.rig.system.query(
      `select event_id from outbox_events where order_id = $1 and type = 'order.ready.v1'`,
      [order],
    )
    expect(events).to.have.lengthOf(1)
    // The deliveries about an order come in order, so that a second one would come before the last.
    await api.setStatus(order, 'OUT_FOR_DELIVERY')
    await until('the webhook has the last event', () =>
      receiver.typesOf(order).includes('order.status.out_for_delivery.v1'),
    )
    expect(receiver.typesOf(order).slice(-3)).to.deep.equal([
      'order.status.preparing.v1',
      'order.ready.v1',
      'order.status.out_for_delivery.v1',
    ])
    for (const page of [first, second]) await expectAccessible(page, 'a notice')
  })

  it('keeps an order that is cancelled while it is cooked, struck through, until each board has acknowledged it', async () => {
    const order = await boards.rig.place()
    const [page, other] = [await boards.rig.openBoard(), await boards.rig.openBoard()]
    for (const each of [page, other]) await untilIn(each, 'cook', order)
    await page.getByRole('button', { name: 'All day' }).click()
    await untilText(page, '.counts', /2×/)
    await boards.rig.system.api.cancel(order, 'the customer left')
    await untilText(page, `[data-order="${order}"] .flag`, /Cancelled the customer left/)
    await untilText(page, '.panel', /Nothing to cook/)
    const line = await page
      .locator(`[data-order="${order}"] h3`)
      .evaluate(e => getComputedStyle(e).textDecorationLine)
    expect(line).to.equal('line-through')
    await expectAccessible(page, 'cancelled')
    await press(page, 'cook', order, /^Understood/)
    await untilGone(page, order)
    await untilText(other, `[data-order="${order}"] .flag`, /Cancelled the customer left/)
    await boards.rig.place()
    await other.locator('.card').nth(1).waitFor()
    expect(await cardOf(other, 'cook', order).count()).to.equal(1)
    await press(other, 'cook', order, /^Understood/)
    await untilGone(other, order)
  })

  it('cancels an order after a question, with time to undo it, also when its card has just moved', async () => {
    const [first, order] = [await boards.rig.place(), await boards.rig.place()]
    const page = await boards.rig.openBoard()
    await untilIn(page, 'cook', order)
    await cardOf(page, 'cook', order)
      .getByRole('button', { name: /^Details of order/ })
      .click()
    await page.getByText('Cancel this order').click()
    await expectAccessible(page, 'details')
    // The clock stands still between the move of the card and the touch.
    await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000))
    await boards.rig.system.api.setStatus(first, 'OUT_FOR_DELIVERY')
    await untilSlowly('the card has moved', async () => {
      await page.clock.runFor(20)
      return (await shown(page))['cook']?.[0] === order
    })
    await page.getByRole('button', { name: /^Cancel order/ }).click()
    expect((await boards.rig.system.api.order(order)).status).to.equal('PREPARING')
    await page.clock.resume()
    await untilText(page, `[data-order="${order}"] .flag`, /^Cancelled/)
    await passUndoTime(page)
    await boards.rig.system.api.untilStatus(order, 'CANCELLED')
  })

  it('shows the last portion as sold out on every board, and what is taken off the menu on one of them', async () => {
    const { api } = boards.rig.system
    const { menu_item_id } = await api.addItem(boards.rig.restaurant_id, 1)
    const [first, second] = [await boards.rig.openBoard(), await boards.rig.openBoard()]
    for (const page of [first, second]) await page.getByRole('button', { name: /^Stock/ }).click()
    const item = `[data-item="${menu_item_id}"]`
    await api.place(boards.rig.restaurant_id, [menu_item_id, 1])
    for (const page of [first, second]) await untilText(page, item, /sold out, 0 left/)
    const next = await api.place(boards.rig.restaurant_id, [menu_item_id, 1])
    await api.untilStatus(next.order_id, 'CANCELLED')
    expect(await api.order(next.order_id)).to.deep.include({
      cancellation_reason: 'OUT_OF_STOCK',
      shortages: [{ menu_item_id, name: 'Pizza', requested_qty: 1, available_qty: 0 }],
    })
    await first.locator(item).getByRole('spinbutton').fill('7')
    await first.locator(item).getByRole('button', { name: /^Add/ }).click()
    await untilText(first, item, /7 left/)
    await first.locator(item).locator('summary').click()
    await expectAccessible(first, 'stock')
    expect((await api.item(menu_item_id)).active, 'one touch takes nothing off the menu').to.equal(true)
    await first.locator(item).getByRole('button', { name: /^Take/ }).click()
    for (const page of [first, second]) await untilText(page, item, /off the menu, 7 left/)
    const refused = await api.call('POST', '/api/v1/orders', {
      restaurant_id: boards.rig.restaurant_id,
      items: [{ menu_item_id, quantity: 1 }],
    })
    expect(refused.status).to.equal(422)
    await first
      .locator(item)
      .getByRole('button', { name: /^Back on the menu/ })
      .click()
    for (const page of [first, second])
      await page.locator(`${item} .level`).filter({ hasNotText: 'off the menu' }).waitFor()
    expect((await api.item(menu_item_id)).active).to.equal(true)
  })

  it('works by keys alone, and never loses the focus to an order that arrives or leaves', async () => {
    const orders: string[] = []
    for (let count = 0; count < 3; count++) orders.push(await boards.rig.place())
    const [first = '', second = '', third = ''] = orders
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    const focused = () =>
      page.evaluate(() => document.activeElement?.closest<HTMLElement>('[data-order]')?.dataset['order'])
    await page.keyboard.press('ArrowDown')
    expect(await focused()).to.equal(first)
    const outline = await page.evaluate(
      () => getComputedStyle(document.activeElement as Element).outlineStyle,
    )
    expect(outline, 'a frame around what has the focus').to.equal('solid')
    await page.clock.runFor(DEAF_MS)
    await page.keyboard.press('Enter')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('3')
    await page.keyboard.press('u')
    await boards.rig.place()
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
    expect(await boards.rig.stepsOf(third)).to.deep.equal(['PLACED', 'PREPARING'])
    await page.keyboard.press('?')
    await untilText(page, '.panel', /Keys/)
    await expectAccessible(page, 'keys')
    await page.keyboard.press('Escape')
    await page.keyboard.press('/')
    await page.keyboard.type('1')
    expect(await page.locator('#find').inputValue()).to.equal('1')
    // The keys can be switched off.
    await page.locator('#find').fill('')
    await page.locator('.card').nth(3).waitFor()
    expect(await page.locator('.card.pending').count(), 'gestures by keys in a field').to.equal(0)
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByLabel('Keys of this board').uncheck()
    await page.keyboard.press('Escape')
    await page.locator('.card kbd').first().waitFor({ state: 'detached' })
    await page.clock.runFor(DEAF_MS)
    await page.keyboard.press('1')
    await passUndoTime(page)
    expect(await page.locator('.card.pending').count()).to.equal(0)
    expect((await boards.rig.stored())['ready']).to.deep.equal([])
  })

  it('finds orders by code and keeps search and column in the URL', async () => {
    const [order = ''] = await boards.rig.placeMany(3)
    const { code } = await boards.rig.system.api.order(order)
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    await page.locator('#find').fill(code.toLowerCase())
    await untilSlowly('one order is shown', async () => (await shown(page))['cook']?.length === 1)
    await page.locator('#show').selectOption({ label: 'To cook' })
    await page.reload()
    await untilSlowly(
      'one order is shown',
      async () => JSON.stringify(await shown(page)) === `{"cook":["${order}"]}`,
    )
    expect(await page.locator('[data-column="cook"] h2').innerText()).to.match(/1 of 3/)
  })

  it('lets a person choose a restaurant, also after an answer that is not JSON', async () => {
    const order = await boards.rig.place()
    const page = await boards.rig.openPage(
      `http://127.0.0.1:${boards.rig.proxy.port}/board`,
      {},
      async opened => {
        await opened.clock.install()
        await opened.route('**/session', route =>
          route.fulfill({ contentType: 'text/html', body: '<h1>Guest Wi-Fi</h1>' }),
        )
      },
    )
    await untilText(page, '[role="alert"]', /HTTP status 200 and no JSON\..*tries again by itself/)
    await expectAccessible(page, 'not connected at the start')
    await page.unroute('**/session')
    await page.clock.runFor(4_000)
    await page.getByRole('heading', { name: 'Which restaurant?' }).waitFor()
    await expectAccessible(page, 'choosing a restaurant')
    await page.locator(`a[href="?restaurant=${boards.rig.restaurant_id}"]`).click()
    await untilIn(page, 'cook', order)
  })

  it('places a demo order, where the database is the embedded one', async () => {
    const ordinary = await boards.rig.openBoard()
    expect(await ordinary.getByRole('button', { name: 'Place a demo order' }).count()).to.equal(0)
    const page = await boards.rig.openBoard({}, async opened => {
      await opened.route('**/session', async route => {
        const response = await route.fetch()
        await route.fulfill({ response, json: { ...(await response.json()), demo: true } })
      })
    })
    await page.getByRole('button', { name: 'Place a demo order' }).click()
    await untilText(page, '[data-column="cook"] .items', /[12]× Pizza/)
    await boards.rig.untilShownIsStored(page)
  })

  it('says how many orders it shows when the restaurant has more', async () => {
    await boards.rig.placeMany(2)
    const page = await boards.rig.openBoard({}, async opened => {
      await opened.addInitScript(() => {
        const parse = JSON.parse.bind(JSON)
        // As from a restaurant with more open orders than a snapshot holds.
        JSON.parse = (text, reviver) =>
          parse(text.replace('"has_more_open_orders":false', '"has_more_open_orders":true'), reviver)
      })
    })
    await untilText(page, '.banner', /This board shows 2 open orders, and the restaurant has more/)
    await expectAccessible(page, 'more open orders')
    await boards.rig.place()
    await untilText(page, '.banner', /This board shows 3 open orders/)
    const reloaded = page.waitForEvent('load')
    await page.getByRole('button', { name: 'Load again' }).click()
    await reloaded
    await untilText(page, '.banner', /This board shows 3 open orders/)
  })

  it('explains an unknown restaurant', async () => {
    const url = `http://127.0.0.1:${boards.rig.proxy.port}/board?restaurant=019a0000-0000-7000-8000-00000000ffff`
    const page = await boards.rig.openPage(url)
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
