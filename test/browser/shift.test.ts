import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { quiet } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { testConfig } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import {
  passUndoTime,
  portOf,
  press,
  registerBoards,
  setFrozen,
  shown,
  untilIn,
  untilText,
} from './board-rig.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling } from './browser.ts'
import { countAnnounced, recordAnnouncements, recordChanges, recordSounds, soundsOf } from './page-records.ts'

/** More than one part of a snapshot. */
const MANY = 110

interface HeldGesture {
  order_id: string
  key: string
  madeMs: number
}

/** The board through a shift: a rush, sleep, outages, an update, clocks that are wrong. */
describeInBrowser('a shift at the board in a browser', () => {
  const boards = registerBoards()

  it('shows on three boards of a rush what Postgres has, and announces each order once', async () => {
    const pages: Page[] = []
    for (let count = 0; count < 3; count++) pages.push(await boards.rig.openBoard())
    for (const page of pages) await recordAnnouncements(page)
    const orders = [...(await boards.rig.placeMany(17)), await boards.rig.place('no nuts')]
    for (const [index, page] of pages.entries()) {
      // Cards that move are deaf for a moment.
      await boards.rig.untilShownIsStored(page)
      for (const order of orders.slice(2 * index, 2 * index + 2)) await press(page, 'cook', order, /^Ready/)
      await passUndoTime(page)
      await untilSlowly(
        'its orders are ready',
        async () => (await boards.rig.stored())['ready']?.length === 2 * index + 2,
      )
    }
    for (const page of pages) {
      await boards.rig.untilShownIsStored(page)
      expect(await countAnnounced(page)).to.equal(orders.length)
      expect(await contentsOf(page)).to.have.deep.members(await boards.rig.storedContents())
    }
  })

  for (const isExpired of [false, true])
    it(`catches up after five minutes asleep, ringing once, ${isExpired ? 'with an expired resume point' : 'from its resume point'}`, async () => {
      const [moved = '', cancelled = ''] = await boards.rig.placeMany(4)
      const page = await boards.rig.openBoard({}, recordSounds)
      await page.getByRole('button', { name: /turn on/ }).click()
      await page.getByRole('button', { name: 'Sound on' }).waitFor()
      await page.evaluate(() => (document.documentElement.dataset['test'] = 'same page'))
      boards.rig.proxy.freeze()
      await setFrozen(page, true)
      await boards.rig.placeMany(5)
      await boards.rig.system.api.call('PUT', `/api/v1/orders/${moved}/ready`)
      await boards.rig.system.api.cancel(cancelled)
      if (isExpired)
        await boards.rig.system.query(
          `update retention set kept_since = clock_timestamp() + interval '1 day' where name = $1 returning name`,
          ['outbox_events'],
        )
      await setFrozen(page, false)
      await page.clock.fastForward('05:00')
      await untilText(page, '.banner', /Not connected since \d\d:\d\d:\d\d; shown as of then/)
      expect(await soundsOf(page)).to.deep.equal({ new: 0, late: 0, cancelled: 0 })
      boards.rig.proxy.thaw()
      await untilText(page, '.chip', /Live/)
      await untilText(page, `[data-order="${cancelled}"] .flag`, /Cancelled/)
      await press(page, 'cook', cancelled, /^Understood/)
      await boards.rig.untilShownIsStored(page)
      expect(await soundsOf(page)).to.deep.equal({ new: 1, late: 0, cancelled: 1 })
      expect(await page.evaluate(() => document.documentElement.dataset['test'])).to.equal('same page')
      expect(new Set(await page.locator('.age').allInnerTexts())).to.deep.equal(new Set(['just now']))
    })

  it('holds gestures while the API answers 502 and 503, sends each once to the next process, and updates itself', async () => {
    const [order = '', other = '', taken = ''] = await boards.rig.placeMany(3)
    let isOutdated = false
    const page = await boards.rig.openBoard({}, async opened => {
      await opened.route('**/board?*', (route, request) => servePage(route, request, isOutdated))
      await opened.route('**/board', (route, request) => servePage(route, request, isOutdated))
    })
    await untilIn(page, 'cook', order)
    let status = 502
    const gateway = await listen(
      createServer((_, response) =>
        response.writeHead(status, { 'retry-after': '1' }).end('<html>Bad gateway</html>'),
      ),
    )
    boards.stops.push(async () => gateway.close())
    boards.rig.proxy.retarget((gateway.address() as AddressInfo).port)
    boards.rig.proxy.cut()
    await untilText(page, '.banner', /Not connected since .* HTTP status 502 and no JSON/)
    for (const each of [order, other, taken]) await press(page, 'cook', each, /^Ready/)
    await press(page, 'cook', other, /^Undo/)
    await passUndoTime(page)
    await untilText(page, `[data-order="${order}"] .flag`, /held until the connection is back/)
    await boards.rig.system.api.setStatus(taken, 'OUT_FOR_DELIVERY')
    status = 503
    await untilText(page, '.banner', /HTTP status 503/)
    const next = await startApi(testConfig, boards.rig.test.url, quiet)
    boards.stops.push(async () => await next.stop(testConfig.SHUTDOWN_TIMEOUT_MS))
    isOutdated = true
    const asked = page.waitForResponse(response => response.url().endsWith('/board'))
    boards.rig.proxy.retarget(portOf({ baseUrl: next.url }))
    boards.rig.proxy.cut()
    await untilIn(page, 'ready', order)
    await boards.rig.untilShownIsStored(page)
    expect(await boards.rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    expect(await boards.rig.stepsOf(other)).to.deep.equal(['PLACED', 'PREPARING'])
    expect(await boards.rig.stepsOf(taken)).to.deep.equal(['PLACED', 'PREPARING', 'OUT_FOR_DELIVERY'])
    // The board does not update itself before a person has seen what became of a gesture.
    await untilText(page, '.notice', /another screen was faster\. It is out now/)
    await page.clock.runFor(2_000)
    await asked
    await page.clock.runFor(15_000)
    await page.getByRole('button', { name: /^Understood/ }).click()
    await untilSlowly('the board has the new version', async () => {
      await page.clock.runFor(2_000)
      // The page is being replaced while it is asked.
      const version = page.evaluate(() => document.documentElement.dataset['version'])
      return (await version.catch(() => undefined)) === 'next'
    })
    await untilText(page, '.chip', /Live/)
    await boards.rig.untilShownIsStored(page)
  })

  it('holds gestures over a reload, sends each once with its key, asks after ten minutes and drops them after twelve hours', async () => {
    const orders = await boards.rig.placeMany(3)
    const [due = '', old = '', tooOld = ''] = orders
    const page = await boards.rig.openBoard()
    const sentKeys: string[] = []
    page.on('request', request => {
      if (request.method() === 'PUT') sentKeys.push(request.headers()['idempotency-key'] ?? '')
    })
    await boards.rig.untilShownIsStored(page)
    // The page itself can be loaded again.
    await page.route('**/api/**', route => route.abort())
    boards.rig.proxy.cut()
    await untilText(page, '.banner', /Not connected since/)
    for (const order of orders) await press(page, 'cook', order, /^Ready/)
    await passUndoTime(page)
    for (const order of orders)
      await untilText(page, `[data-order="${order}"] .flag`, /held until the connection is back/)
    await expectAccessible(page, 'held')
    const keys = await page.evaluate(
      ages => {
        const gestures = JSON.parse(sessionStorage.getItem('gestures') ?? '[]') as HeldGesture[]
        for (const gesture of gestures) gesture.madeMs -= (ages[gesture.order_id] ?? 0) * 60_000
        sessionStorage.setItem('gestures', JSON.stringify(gestures))
        return Object.fromEntries(gestures.map(({ order_id, key }) => [order_id, key]))
      },
      { [old]: 11, [tooOld]: 12 * 60 + 1 } as Record<string, number>,
    )
    await page.reload()
    await untilText(page, '.notice', /not sent for 12 hours, and now dropped \(Ready\)/)
    await untilText(page, '.banner', /Not connected/)
    await page.unroute('**/api/**')
    await untilIn(page, 'ready', due)
    await untilText(page, `[data-order="${old}"] .flag`, /held since \d\d:\d\d\. Is it still right\?/)
    await expectAccessible(page, 'asking')
    expect(sentKeys).to.deep.equal([keys[due]])
    await press(page, 'cook', old, /^Send now/)
    await untilIn(page, 'ready', old)
    await boards.rig.untilShownIsStored(page)
    expect(sentKeys).to.deep.equal([keys[due], keys[old]])
    expect(await boards.rig.stepsOf(tooOld)).to.deep.equal(['PLACED', 'PREPARING'])
  })

  it('sends gestures of a restaurant also from the board of another one, which shows none of its orders', async () => {
    const [order = '', old = ''] = await boards.rig.placeMany(2)
    const own = boards.rig.url
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    // The pages themselves can be loaded.
    await page.route('**/api/**', route => route.abort())
    boards.rig.proxy.cut()
    await untilText(page, '.banner', /Not connected since/)
    for (const each of [order, old]) await press(page, 'cook', each, /^Ready/)
    await passUndoTime(page)
    await untilText(page, `[data-order="${old}"] .flag`, /held until the connection is back/)
    await page.evaluate(id => {
      const gestures = JSON.parse(sessionStorage.getItem('gestures') ?? '[]') as HeldGesture[]
      for (const gesture of gestures) if (gesture.order_id === id) gesture.madeMs -= 11 * 60_000
      sessionStorage.setItem('gestures', JSON.stringify(gestures))
    }, old)
    await boards.rig.addRestaurant()
    const others = await boards.rig.place()
    await page.goto(boards.rig.url)
    await untilText(
      page,
      '.banner',
      /Not sent yet for another restaurant:\s+\w{4} \(Ready\), \w{4} \(Ready\)\./,
    )
    await page.unroute('**/api/**')
    await untilIn(page, 'cook', others)
    await untilSlowly('the order is ready', async () => (await boards.rig.stepsOf(order)).length === 3)
    await untilText(page, '.banner', /Not sent yet for another restaurant:\s+\w{4} \(Ready\)\./)
    await expectAccessible(page, 'held for another restaurant')
    expect(await shown(page)).to.deep.equal({ cook: [others], ready: [], out: [] })
    expect(await page.locator('.notice').count()).to.equal(0)
    await page.getByRole('link', { name: 'Open its board' }).click()
    await page.waitForURL(own)
    await untilIn(page, 'ready', order)
    await press(page, 'cook', old, /^Send now/)
    await untilIn(page, 'ready', old)
  })

  it('keeps a cancelled order on the screen instead of updating itself', async () => {
    const order = await boards.rig.place()
    let isOutdated = false
    const page = await boards.rig.openBoard({}, async opened => {
      await opened.route('**/board', (route, request) => servePage(route, request, isOutdated))
    })
    await untilIn(page, 'cook', order)
    await boards.rig.system.api.cancel(order)
    await untilText(page, '.flag', /Cancelled/)
    isOutdated = true
    const asked = page.waitForResponse(response => response.url().endsWith('/board'))
    boards.rig.proxy.cut()
    await untilText(page, '.banner', /Not connected/)
    await untilText(page, '.chip', /Live/)
    await page.clock.runFor(2_000)
    await asked
    await page.clock.runFor(15_000)
    expect(await page.locator('.card.cancelled').count()).to.equal(1)
  })

  it('closes its stream after a minute in the background, and catches up when a person looks at it', async () => {
    const untilOpen = await streamCounter(boards.rig.system.api)
    const [page, other] = [await boards.rig.openBoard(), await boards.rig.openBoard()]
    await untilOpen(2)
    await setHidden(page, true)
    await page.clock.fastForward('01:01')
    await untilText(page, '.banner', /rests while it is in the background; shown as of \d\d:\d\d:\d\d/)
    await untilOpen(1)
    await expectAccessible(page, 'resting')
    const [order = ''] = await boards.rig.placeMany(2)
    await untilIn(other, 'cook', order)
    expect(await page.locator('.card').count()).to.equal(0)
    // The network comes and goes while the tab is in the background.
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await untilOpen(2)
    await page.clock.fastForward('01:01')
    await untilOpen(1)
    await setHidden(page, false)
    await boards.rig.untilShownIsStored(page)
    await untilText(page, '.chip', /Live/)
    await untilOpen(2)
  })

  it('keeps the stream of one of the tabs that are to be heard in the background, and passes it on', async () => {
    const untilOpen = await streamCounter(boards.rig.system.api)
    const withSound = async (page: Page) => {
      await page.addInitScript(() => localStorage.setItem('board-settings', '{"isSoundOn":true}'))
    }
    const first = await boards.rig.openBoard({}, withSound)
    const second = await first.context().newPage()
    await second.clock.install()
    await second.goto(boards.rig.url)
    await untilText(second, '.chip', /Live/)
    await untilOpen(2)
    for (const page of [first, second]) {
      await setHidden(page, true)
      await page.clock.fastForward('01:01')
    }
    await untilText(second, '.banner', /rests while it is in the background/)
    await untilOpen(1)
    await untilText(first, '.chip', /Live/)
    await setHidden(first, false)
    await untilText(second, '.chip', /Live/)
    await setHidden(first, true)
    await first.clock.fastForward('01:01')
    await untilText(first, '.banner', /rests while it is in the background/)
    await untilOpen(1)
    await second.close()
    await untilText(first, '.chip', /Live/)
    await untilOpen(1)
  })

  it('shows more orders than a part of a snapshot holds, oldest first, and a tick changes only texts', async () => {
    const orders = (await boards.rig.placeMany(MANY)).toSorted()
    // Placed half a second apart, so that some become a minute older at each tick.
    await boards.rig.system.query(
      `with aged as (
         select order_id, row_number() over (order by order_id desc) / 2.0 as seconds
         from orders
         where restaurant_id = $1
       )
       update orders
       set placed_at = clock_timestamp() - make_interval(secs => seconds)
       from aged
       where orders.order_id = aged.order_id
       returning orders.order_id`,
      [boards.rig.restaurant_id],
    )
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    expect((await shown(page))['cook']).to.have.lengthOf(orders.length)
    for (const width of [320, 768, 3_840]) {
      await page.setViewportSize({ width, height: 900 })
      await expectNoSidewaysScrolling(page, width)
    }
    const sizes = await page
      .locator('.items')
      .evaluateAll(items => items.map(item => Number.parseFloat(getComputedStyle(item).fontSize)))
    expect(Math.min(...sizes), 'px of the items at 3,840 px').to.be.at.least(48)
    await page.locator(`[data-order="${orders.at(-1)}"]`).scrollIntoViewIfNeeded()
    const changes = await recordChanges(page)
    // Less than the silence after which a line is dead.
    await page.clock.runFor(20_000)
    const [kinds, count] = await changes()
    expect(kinds.filter(kind => !['characterData', 'attributes aria-label'].includes(kind))).to.deep.equal([])
    // Of a card, the text of its age and its name change, once in this time.
    expect(count).to.be.within(1, 2 * MANY + 1)
  })

  it('keeps ages and the time to undo when the clock of the device jumps', async () => {
    const order = await boards.rig.place()
    const page = await boards.rig.openBoard({ timezoneId: 'America/St_Johns' })
    await untilIn(page, 'cook', order)
    for (const minutes of [7, -7]) {
      await page.clock.setSystemTime(new Date(Date.now() + minutes * 60_000))
      await page.clock.runFor(1_500)
      expect(await page.locator('.age').innerText()).to.equal('just now')
    }
    await press(page, 'cook', order, /^Ready/)
    await page.clock.setSystemTime(new Date(Date.now() - 20 * 60_000))
    await passUndoTime(page)
    await untilIn(page, 'ready', order)
  })
})

/** What the cards of a board say about their orders. */
async function contentsOf(page: Page): Promise<[orderId: string, items: string, note: string][]> {
  return await page.locator('.card').evaluateAll(cards =>
    cards.map(card => {
      const textOf = (selector: string) =>
        [...card.querySelectorAll(selector)].map(({ textContent }) => textContent.trim()).join()
      return [card.dataset['order'] ?? '', textOf('.items li'), textOf('.note')]
    }),
  )
}

/** Serves the page of the API, as that of the next version if the board is outdated. */
async function servePage(
  route: Parameters<Parameters<Page['route']>[1]>[0],
  request: Parameters<Parameters<Page['route']>[1]>[1],
  isOutdated: boolean,
): Promise<void> {
  if (!isOutdated) return await route.continue()
  const response = await route.fetch({ url: request.url() })
  const body = (await response.text()).replace(/data-version="\w+"/, 'data-version="next"')
  await route.fulfill({ response, body })
}

async function listen(server: Server): Promise<Server> {
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return server
}

/** @returns waits until the API has so many more streams of callers open than now */
async function streamCounter({ baseUrl }: { baseUrl: string }): Promise<(count: number) => Promise<unknown>> {
  const openStreams = async () => {
    const metrics = await (await fetch(`${baseUrl}/metrics`)).text()
    return Number(/^comanda_streams_open\{[^}]*audience="callers"[^}]*\} (\d+)/m.exec(metrics)?.[1])
  }
  const before = await openStreams()
  return async count =>
    await untilSlowly(`${count} streams are open`, async () => (await openStreams()) === before + count)
}

/** Lets a page believe that its tab is in the background. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(value => {
    Object.defineProperty(document, 'hidden', { value, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }, isHidden)
}
