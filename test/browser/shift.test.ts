import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { quiet } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { testConfig } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import {
  BoardRig,
  cardOf,
  passUndoTime,
  portOf,
  press,
  setFrozen,
  shown,
  untilIn,
  untilText,
} from './board-rig.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling } from './browser.ts'
import { countAnnounced, recordAnnouncements, recordChanges, recordSounds, soundsOf } from './page-records.ts'

/** More than one part of a snapshot. */
const MANY = 110

/** The board through a shift: a rush, sleep, outages, an update, clocks that are wrong. */
describeInBrowser('a shift at the board in a browser', function () {
  let rig: Awaited<ReturnType<typeof BoardRig.start>>

  before(async function () {
    // The first run installs a browser.
    this.timeout(180_000)
    rig = await BoardRig.start()
  })
  after(() => rig.stop())
  beforeEach(async () => {
    rig.proxy.retarget(portOf(rig.system.api))
    await rig.addRestaurant()
  })
  /** Stops the servers of a test, also after it has failed. */
  const stops: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    await rig.closePages()
    rig.proxy.cut()
    for (const stop of stops.splice(0)) await stop()
  })

  it('shows on three boards of a rush what Postgres has, and announces each order once', async () => {
    const boards: Page[] = []
    for (let count = 0; count < 3; count++) boards.push(await rig.openBoard())
    for (const page of boards) await recordAnnouncements(page)
    const orders = await rig.placeMany(18)
    for (const [index, page] of boards.entries()) {
      // Cards that move are deaf for a moment.
      await rig.untilShownIsStored(page)
      for (const order of orders.slice(2 * index, 2 * index + 2)) await press(page, 'cook', order, /^Ready/)
      await passUndoTime(page)
      await untilSlowly(
        'its orders are ready',
        async () => (await rig.stored())['ready']?.length === 2 * index + 2,
      )
    }
    for (const page of boards) {
      await rig.untilShownIsStored(page)
      expect(await countAnnounced(page)).to.equal(orders.length)
    }
  })

  for (const isExpired of [false, true])
    it(`catches up after five minutes asleep, ringing once, ${isExpired ? 'with an expired resume point' : 'from its resume point'}`, async () => {
      const [moved = '', cancelled = ''] = await rig.placeMany(4)
      const page = await rig.openBoard({}, recordSounds)
      await page.getByRole('button', { name: /turn on/ }).click()
      await page.getByRole('button', { name: 'Sound on' }).waitFor()
      await page.evaluate(() => (document.documentElement.dataset['test'] = 'same page'))
      rig.proxy.freeze()
      await setFrozen(page, true)
      await rig.placeMany(5)
      await rig.system.api.call('PUT', `/api/v1/orders/${moved}/ready`)
      await rig.system.api.cancel(cancelled)
      if (isExpired)
        await rig.system.query(
          `update retention set kept_since = clock_timestamp() + interval '1 day' where name = $1 returning name`,
          ['outbox_events'],
        )
      await setFrozen(page, false)
      await page.clock.fastForward('05:00')
      await untilText(page, '.banner', /Not connected since \d\d:\d\d:\d\d; shown as of then/)
      expect(await soundsOf(page)).to.deep.equal({ new: 0, late: 0, cancelled: 0 })
      rig.proxy.thaw()
      await untilText(page, '.chip', /Live/)
      await untilText(page, `[data-order="${cancelled}"] .flag`, /Cancelled/)
      await press(page, 'cook', cancelled, /^Understood/)
      await rig.untilShownIsStored(page)
      expect(await soundsOf(page)).to.deep.equal({ new: 1, late: 0, cancelled: 1 })
      expect(await page.evaluate(() => document.documentElement.dataset['test'])).to.equal('same page')
      expect(new Set(await page.locator('.age').allInnerTexts())).to.deep.equal(new Set(['just now']))
    })

  it('holds gestures while the API answers 502 and 503, sends each once to the next process, and updates itself', async () => {
    const [order = '', other = ''] = await rig.placeMany(2)
    let isOutdated = false
    const page = await rig.openBoard({}, async opened => {
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
    stops.push(async () => gateway.close())
    rig.proxy.retarget((gateway.address() as AddressInfo).port)
    rig.proxy.cut()
    await untilText(page, '.banner', /Not connected since .* HTTP status 502 and no JSON/)
    await press(page, 'cook', order, /^Ready/)
    await press(page, 'cook', other, /^Ready/)
    await press(page, 'cook', other, /^Undo/)
    await passUndoTime(page)
    await untilText(page, `[data-order="${order}"] .flag`, /held until the connection is back/)
    status = 503
    await untilText(page, '.banner', /HTTP status 503/)
    const next = await startApi(testConfig, rig.test.url, quiet)
    stops.push(async () => await next.stop(testConfig.SHUTDOWN_TIMEOUT_MS))
    isOutdated = true
    rig.proxy.retarget(portOf({ baseUrl: next.url }))
    rig.proxy.cut()
    await untilIn(page, 'ready', order)
    await rig.untilShownIsStored(page)
    expect(await rig.stepsOf(order)).to.deep.equal(['PLACED', 'PREPARING', 'PREPARING'])
    expect(await rig.stepsOf(other)).to.deep.equal(['PLACED', 'PREPARING'])
    await untilSlowly('the board has the new version', async () => {
      await page.clock.runFor(2_000)
      // The page is being replaced while it is asked.
      const version = page.evaluate(() => document.documentElement.dataset['version'])
      return (await version.catch(() => undefined)) === 'next'
    })
    await untilText(page, '.chip', /Live/)
    await rig.untilShownIsStored(page)
  })

  it('keeps a cancelled order on the screen instead of updating itself', async () => {
    const order = await rig.place()
    let isOutdated = false
    const page = await rig.openBoard({}, async opened => {
      await opened.route('**/board', (route, request) => servePage(route, request, isOutdated))
    })
    await untilIn(page, 'cook', order)
    await rig.system.api.cancel(order)
    await untilText(page, '.flag', /Cancelled/)
    isOutdated = true
    const asked = page.waitForResponse(response => response.url().endsWith('/board'))
    rig.proxy.cut()
    await untilText(page, '.banner', /Not connected/)
    await untilText(page, '.chip', /Live/)
    await page.clock.runFor(2_000)
    await asked
    await page.clock.runFor(15_000)
    expect(await page.locator('.card.cancelled').count()).to.equal(1)
  })

  it('shows more orders than a part of a snapshot holds, oldest first, and a tick changes only texts', async () => {
    const orders = (await rig.placeMany(MANY)).toSorted()
    // Placed half a second apart, so that some become a minute older at each tick.
    await rig.system.query(
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
      [rig.restaurant_id],
    )
    const page = await rig.openBoard()
    await rig.untilShownIsStored(page)
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
    const order = await rig.place()
    const page = await rig.openBoard({ timezoneId: 'America/St_Johns' })
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

  it('has a sound each for new, late and cancelled orders, rings once for a burst and never for a snapshot', async () => {
    const [order = ''] = await rig.placeMany(3)
    await rig.system.query(
      `update orders set placed_at = placed_at - interval '14 minutes' where order_id = $1 returning order_id`,
      [order],
    )
    const page = await rig.openBoard({}, recordSounds)
    await page.getByRole('button', { name: 'Sound is off: turn on' }).click()
    await page.getByRole('button', { name: 'Sound on' }).waitFor()
    expect(await soundsOf(page)).to.deep.equal({ new: 0, late: 0, cancelled: 0 })
    await rig.placeMany(5)
    await rig.untilShownIsStored(page)
    expect(await soundsOf(page)).to.deep.equal({ new: 1, late: 0, cancelled: 0 })
    // A person has seen the new orders: they do not ring again.
    await page.locator('h1').click()
    // Any answer corrects the clock of the board, so that a jump would not make the order late.
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByLabel('Mark orders as late after (minutes)').fill('14')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Escape')
    await page.clock.runFor(2_000)
    await untilText(page, '.age', /late/)
    expect(await soundsOf(page)).to.deep.equal({ new: 1, late: 1, cancelled: 0 })
    await rig.system.api.cancel(order)
    await untilText(page, '.flag', /Cancelled/)
    expect(await soundsOf(page)).to.deep.equal({ new: 1, late: 1, cancelled: 1 })
  })

  it('asks for a touch when the browser locks the sound, and keeps the screen on while it is visible', async () => {
    const page = await rig.openBoard({}, async opened => {
      await opened.addInitScript(() => {
        localStorage.setItem('board-settings', '{"isSoundOn":true}')
        Object.defineProperty(navigator, 'wakeLock', {
          value: {
            request: async (type: string) => {
              const { dataset } = document.documentElement
              dataset['wakeLocks'] = `${dataset['wakeLocks'] ?? ''}${type} `
            },
          },
        })
      })
    })
    await page.getByRole('button', { name: 'Sound is off: turn on' }).waitFor()
    await page.locator('h1').click()
    await page.getByRole('button', { name: 'Sound on' }).waitFor()
    const wakeLocks = () => page.evaluate(() => document.documentElement.dataset['wakeLocks'])
    expect(await wakeLocks()).to.equal('screen ')
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    expect(await wakeLocks()).to.equal('screen screen ')
  })

  it('is accessible when empty, when orders are late, and in forced colours, and names orders in words', async () => {
    const page = await rig.openBoard({ reducedMotion: 'reduce' })
    await untilText(page, '.empty', /Nothing to cook/)
    await expectAccessible(page, 'empty')
    const late = await rig.place('no nuts')
    const fresh = await rig.place()
    await rig.system.query(
      `update orders set placed_at = placed_at - interval '72 minutes' where order_id = $1 returning order_id`,
      [late],
    )
    await page.reload()
    await untilIn(page, 'cook', fresh)
    const { code } = await rig.system.api.order(late)
    await page
      .getByRole('article', {
        name: `Order ${code}, 1 hour 12 minutes, late, 2 Pizza, note: no nuts`,
        exact: true,
      })
      .waitFor()
    expect(await page.locator('main').ariaSnapshot()).to.include(`heading "${code}"`)
    await expectAccessible(page, 'late')
    await page.emulateMedia({ forcedColors: 'active', contrast: 'more' })
    await expectAccessible(page, 'forced colours')
    const borders = await Promise.all(
      [late, fresh].map(order =>
        cardOf(page, 'cook', order).evaluate(e => getComputedStyle(e).borderTopWidth),
      ),
    )
    expect(Number.parseFloat(borders[0] ?? '')).to.be.above(Number.parseFloat(borders[1] ?? ''))
    const animated = await page.evaluate(() => document.getAnimations().length)
    expect(animated, 'nothing moves or flashes').to.equal(0)
  })
})

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
