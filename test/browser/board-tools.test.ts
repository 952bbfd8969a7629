import { expect } from 'chai'
import jsQR from 'jsqr'
import type { Page } from 'playwright-core'
import { freePort } from '../support/free-port.ts'
import { untilSlowly } from '../support/until.ts'
import {
  BoardRig,
  cardOf,
  DEAF_MS,
  passUndoTime,
  portOf,
  press,
  untilGone,
  untilIn,
  untilText,
} from './board-rig.ts'
import { describeInBrowser, expectAccessible } from './browser.ts'

/** The width of a roll of 80 mm, and of A4, in CSS px. */
const PAPERS = { roll: 302, A4: 794 }

/** What a screen has besides its orders: tickets, keys of its own, the stock. */
describeInBrowser('the tools of the board in a browser', function () {
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
  afterEach(() => rig.closePages())

  describe('a ticket', () => {
    it('has code, items, note, times, customer and a QR code of the tracking page, on a roll and on A4', async () => {
      const page = await rig.openBoard({ colorScheme: 'dark' }, countPrints)
      const { api } = rig.system
      const { body } = await api.call<{ order_id: string }>('POST', '/api/v1/orders', {
        restaurant_id: rig.restaurant_id,
        items: [{ menu_item_id: rig.pizza, quantity: 12 }],
        customer_id: 'table 12',
        notes: 'no nuts\nring twice',
      })
      const order = await api.untilStatus(body.order_id, 'PREPARING')
      await untilIn(page, 'cook', order.order_id)
      await page.getByRole('button', { name: `Print order ${order.code}` }).click()
      await untilPrinted(page, 1)
      const { tracking_url } = await api.order(order.order_id)
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
      const ticket = page.locator('.ticket')
      for (const [paper, width] of Object.entries(PAPERS)) {
        await page.setViewportSize({ width, height: 1_000 })
        expect(await ticket.innerText(), paper).to.match(
          new RegExp(
            `^Trattoria\\s+${order.code}\\s+12× Pizza\\s+Note no nuts\\s+ring twice\\s+Placed\\s+\\d+ \\w+, \\d\\d:\\d\\d\\s+Customer\\s+table 12\\s+Printed\\s+\\d+ \\w+, \\d\\d:\\d\\d\\s+Follow this order$`,
          ),
        )
        expect(await page.locator('.bar, .column').filter({ visible: true }).count(), paper).to.equal(0)
        expect(await clippedIn(page), paper).to.deep.equal([])
        expect(await decode(page), paper).to.equal(tracking_url)
        expect(await page.evaluate(() => getComputedStyle(document.body).colorScheme), paper).to.match(
          /light/,
        )
      }
      for (const [width, height] of [
        ['80mm', '200mm'],
        ['210mm', '297mm'],
      ] as const)
        expect(pagesOf(await page.pdf({ width, height })), `pages of ${width}`).to.equal(1)
    })

    it('is printed by a key, without a QR code when the link is unknown and the board is not connected', async () => {
      const known = await rig.place()
      const page = await rig.openBoard({}, countPrints)
      const other = await rig.place('x'.repeat(400))
      await untilIn(page, 'cook', other)
      rig.proxy.retarget(await freePort())
      rig.proxy.cut()
      await untilText(page, '.banner', /Not connected since/)
      await page.keyboard.press('p')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('p')
      await untilPrinted(page, 1)
      await page.emulateMedia({ media: 'print' })
      expect(await decode(page)).to.equal((await rig.system.api.order(known)).tracking_url)
      await page.emulateMedia({ media: 'screen' })
      // The emulation has hidden the card that had the focus.
      await cardOf(page, 'cook', other).getByRole('button').first().focus()
      await page.keyboard.press('p')
      await untilPrinted(page, 2)
      await page.emulateMedia({ media: 'print' })
      await page.setViewportSize({ width: PAPERS.roll, height: 1_000 })
      expect(await page.locator('.ticket').innerText()).to.match(
        /Printed\s+.*; not connected, as of \d\d:\d\d:\d\d\s+No QR code: .* could not be read\. The board is not connected\.$/,
      )
      expect(await clippedIn(page)).to.deep.equal([])
      // The next touch takes the ticket away: paper then shows the board.
      await page.keyboard.press('Escape')
      await page.locator('.ticket').waitFor({ state: 'detached' })
      expect(await cardOf(page, 'cook', other).isVisible()).to.equal(true)
    })
  })

  it('keeps cancelled orders over a reload until a person has acknowledged them, without a second sound', async () => {
    const [order = '', other = ''] = await rig.placeMany(2)
    await rig.system.api.call('PUT', `/api/v1/orders/${order}/ready`)
    const page = await rig.openBoard()
    await untilIn(page, 'ready', order)
    await rig.system.api.cancel(order, 'the customer left')
    await rig.system.api.cancel(other)
    await untilText(page, `[data-order="${order}"] .flag`, /Cancelled/)
    await press(page, 'cook', other, /^Understood/)
    await untilGone(page, other)
    await page.reload()
    await untilText(page, '.chip', /Live/)
    await page.clock.runFor(2_000)
    await untilText(
      page,
      `[data-column="ready"] [data-order="${order}"] .flag`,
      /Cancelled the customer left/,
    )
    expect(await page.getByRole('log').innerText()).to.equal('')
    expect(await page.locator('.card').count()).to.equal(1)
    await press(page, 'ready', order, /^Understood/)
    await untilGone(page, order)
    await page.reload()
    await untilText(page, '.chip', /Live/)
    expect(
      await page.evaluate(() =>
        Object.entries(sessionStorage).filter(([name]) => name.startsWith('cancelled')),
      ),
    ).to.deep.equal([[`cancelled ${rig.restaurant_id}`, '[]']])
    expect(await page.locator('.card').count()).to.equal(0)
  })

  it('takes an item off the menu and closes the restaurant until a time, which every board shows', async () => {
    const [first, second] = [await rig.openBoard(), await rig.openBoard()]
    for (const page of [first, second]) await page.getByRole('button', { name: /^Stock/ }).click()
    const item = first.locator(`[data-item="${rig.pizza}"]`)
    await item.locator('summary').click()
    await item.getByLabel('Reason').fill('the oven is broken')
    await expectAccessible(first, 'off the menu')
    await item.getByRole('button', { name: /^For 1 hour/ }).click()
    for (const page of [first, second])
      await untilText(page, '.until', /^off until .*\d\d:\d\d.* \(the oven is broken\)$/)
    const { inactive_until } = await rig.system.api.item(rig.pizza)
    expect(Date.parse(inactive_until ?? '') - Date.now()).to.be.within(55 * 60_000, 65 * 60_000)
    await item.getByRole('button', { name: /^Back on the menu/ }).click()
    for (const page of [first, second]) await page.locator('.until').waitFor({ state: 'detached' })
    await first.locator('.restaurant summary').click()
    await first.locator('.restaurant').getByLabel('Reason').fill('too many orders')
    await first.getByRole('button', { name: /^Until 6:00/ }).click()
    for (const page of [first, second])
      await untilText(page, '.banner.closed', /no new orders until .*06:00.* \(too many orders\)$/)
    await expectAccessible(second, 'closed')
    await first.getByRole('button', { name: 'Take orders again' }).click()
    for (const page of [first, second]) await page.locator('.banner').waitFor({ state: 'detached' })
    // What the API refuses is a sentence.
    await first.route('**/api/v1/restaurants/*', route =>
      route.fulfill({ status: 409, json: { detail: 'The restaurant has changed' } }),
    )
    await first.locator('.restaurant summary').click()
    await first.getByRole('button', { name: 'Close the restaurant for good' }).click()
    await untilText(first, '.notice', /The restaurant: The restaurant has changed\./)
  })

  it('works a whole shift by the keys of a bump bar, which the screen remembers', async () => {
    const [first = '', second = ''] = (await rig.placeMany(2)).toSorted()
    const page = await rig.openBoard({}, countPrints)
    await rig.untilShownIsStored(page)
    await page.keyboard.press('?')
    await untilText(page, '.panel', /Keys/)
    const change = async (command: string, key: string) => {
      await page.locator(`[data-command="${command}"]`).focus()
      await page.keyboard.press('Space')
      await page.keyboard.press(key)
    }
    await change('slot1', 'u')
    await untilText(page, '.panel .problem', /^U takes the last change back already/)
    await expectAccessible(page, 'a key that another command has')
    await page.keyboard.press('q')
    const others = {
      slot2: 'w',
      next: 'PageDown',
      previous: 'PageUp',
      recall: 'F8',
      undo: 'F9',
      print: 'F10',
    }
    for (const [command, key] of Object.entries({ ...others, down: 'j', move: 'F2' }))
      await change(command, key)
    await page.keyboard.press('Escape')
    await page.reload()
    await untilText(page, '.chip', /Live/)
    await rig.untilShownIsStored(page)
    const orderKeys = async () => await page.locator('.card kbd').allInnerTexts()
    expect(await orderKeys()).to.deep.equal(['Q', 'W'])
    await page.clock.runFor(DEAF_MS)
    for (const key of ['1', '2', 'u', 'q', 'w', 'F9']) await page.keyboard.press(key)
    await passUndoTime(page)
    await untilIn(page, 'ready', first)
    expect(await rig.stepsOf(second)).to.deep.equal(['PLACED', 'PREPARING'])
    await page.keyboard.press('j')
    await page.keyboard.press('F10')
    await untilPrinted(page, 1)
    await page.clock.runFor(DEAF_MS)
    await page.keyboard.press('F2')
    await passUndoTime(page)
    await untilIn(page, 'ready', second)
    await page.keyboard.press('PageDown')
    await page.clock.runFor(DEAF_MS)
    await page.keyboard.press('F8')
    await passUndoTime(page)
    await untilIn(page, 'cook', first)
    for (const column of ['out', 'gone']) {
      await page.clock.runFor(DEAF_MS)
      await page.keyboard.press('q')
      await passUndoTime(page)
      if (column === 'out') await untilIn(page, 'out', second)
      await page.keyboard.press('PageDown')
    }
    await rig.system.api.untilStatus(second, 'DELIVERED')
    await page.keyboard.press('?')
    await page.getByRole('button', { name: 'Reset all keys' }).click()
    await page.keyboard.press('Escape')
    await page.locator('[data-command]').first().waitFor({ state: 'detached' })
    expect(await page.evaluate(() => localStorage.getItem('board-settings'))).to.include('"keys":{}')
  })
})

/** Counts what the page prints, which a browser without a screen cannot show. */
async function countPrints(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.print = () => {
      const { dataset } = document.documentElement
      dataset['prints'] = String(Number(dataset['prints'] ?? 0) + 1)
    }
  })
}

async function untilPrinted(page: Page, count: number): Promise<void> {
  await untilSlowly(`${count} tickets are printed`, async () => {
    const prints = await page.evaluate(() => document.documentElement.dataset['prints'])
    return Number(prints ?? 0) === count
  })
}

/** The parts of the ticket whose content is cut off, or sticks out of the paper. */
async function clippedIn(page: Page): Promise<string[]> {
  return await page.locator('.ticket, .ticket *').evaluateAll(elements =>
    elements
      .filter(element => {
        const { left, right } = element.getBoundingClientRect()
        const isCut = element instanceof HTMLElement && element.scrollWidth > element.clientWidth + 1
        const isInline = getComputedStyle(element).display === 'inline'
        return left < 0 || right > innerWidth || (isCut && !isInline)
      })
      .map(element => element.outerHTML.slice(0, 100)),
  )
}

/** Reads the QR code of the ticket as a camera sees it. */
async function decode(page: Page): Promise<string | undefined> {
  const png = await page.locator('.ticket svg').screenshot()
  const canvas = await page.context().newPage()
  // The policy of the board permits no such images.
  const { pixels, width, height } = await canvas.evaluate(async base64 => {
    const image = await createImageBitmap(
      new Blob([Uint8Array.from(atob(base64), character => character.charCodeAt(0))]),
    )
    const { width, height } = image
    const context = new OffscreenCanvas(width, height).getContext('2d') as OffscreenCanvasRenderingContext2D
    context.drawImage(image, 0, 0)
    return { pixels: [...context.getImageData(0, 0, width, height).data], width, height }
  }, png.toString('base64'))
  await canvas.close()
  return jsQR.default(Uint8ClampedArray.from(pixels), width, height)?.data
}

function pagesOf(pdf: Buffer): number {
  return pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0
}
