import { expect } from 'chai'
import { until } from '../support/until.ts'
import { cardOf, press, registerBoards, untilIn, untilText } from './board-rig.ts'
import { describeInBrowser, expectAccessible, expectNoSidewaysScrolling } from './browser.ts'
import { recordChanges, recordSounds, soundsOf } from './page-records.ts'

describeInBrowser('the looks and sounds of the board in a browser', () => {
  const boards = registerBoards()

  it('has no violation of accessibility rules and no sideways scrolling, from phone to wall, light and dark', async () => {
    await boards.rig.placeMany(5)
    await boards.rig.place('a very long note '.repeat(20))
    const [order = ''] = await boards.rig.placeMany(1)
    await boards.rig.system.api.call('PUT', `/api/v1/orders/${order}/ready`)
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await boards.rig.openBoard({ colorScheme })
      await boards.rig.untilShownIsStored(page)
      await expectAccessible(page, `rush, ${colorScheme}`)
      for (const width of [320, 390, 768, 1_920, 3_840]) {
        await page.setViewportSize({ width, height: 900 })
        await expectNoSidewaysScrolling(page, width)
      }
      await page.setViewportSize({ width: 1_000, height: 500 })
      await page.getByRole('button', { name: 'Settings' }).click()
      const covered = page.evaluate(async () => {
        scrollTo(0, 400)
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
        const edge = (selector: string) => document.querySelector(selector)?.getBoundingClientRect()
        return (edge('.bar')?.bottom ?? 0) - (edge('.panel')?.top ?? 0)
      })
      expect(await covered, 'px of a panel under a bar of two lines').to.be.at.most(0)
      await page.setViewportSize({ width: 390, height: 900 })
      await expectAccessible(page, `settings on a phone, ${colorScheme}`)
      await expectNoSidewaysScrolling(page, 390)
      await page.getByLabel('Size').selectOption({ label: '200 %' })
      await expectNoSidewaysScrolling(page, 390)
    }
  })

  it('has targets of at least 48 px', async () => {
    await boards.rig.place()
    const page = await boards.rig.openBoard()
    await page.locator('.card').waitFor()
    const tooSmall = async () =>
      await page
        .locator('button:visible, select:visible, input:visible, summary:visible')
        .evaluateAll(targets =>
          targets.flatMap(target => {
            // A touch on the text beside a box ticks it.
            const { width, height } = (target.closest('label') ?? target).getBoundingClientRect()
            return Math.min(width, height) < 48
              ? [`${target.outerHTML.slice(0, 80)}: ${width} × ${height}`]
              : []
          }),
        )
    expect(await tooSmall(), 'the board').to.deep.equal([])
    for (const [name, title] of [
      [/^Stock/, 'Stock'],
      ['Settings', 'Settings of this screen'],
      ['See or change the keys', 'Keys'],
      [/^Details of order/, 'Order'],
    ] as const) {
      await page.getByRole('button', { name }).click()
      await page.locator('#panel-title', { hasText: title }).waitFor()
      for (const summary of await page.locator('.panel summary').all()) await summary.click()
      expect(await tooSmall(), title).to.deep.equal([])
    }
  })

  it('tells ages by the clock of the server, and lateness in words', async () => {
    const order = await boards.rig.place()
    await boards.rig.test.database.execute(
      `update orders set placed_at = placed_at - interval '16 minutes' where order_id = $1`,
      [order],
    )
    for (const skewMinutes of [-7, 7]) {
      const page = await boards.rig.openBoard({ timezoneId: 'Asia/Tokyo' }, skewed =>
        skewed.clock.setSystemTime(Date.now() + skewMinutes * 60_000),
      )
      await untilText(page, '.age', /^16 min · late$/)
      const name = await page.locator('article').getAttribute('aria-label')
      expect(name).to.match(/^Order \w{4}, 16 minutes, late, 2 Pizza$/)
    }
  })

  it('has a sound each for new, late and cancelled orders, rings once for a burst and never for a snapshot', async () => {
    const [order = ''] = await boards.rig.placeMany(3)
    await boards.rig.system.query(
      `update orders set placed_at = placed_at - interval '14 minutes' where order_id = $1 returning order_id`,
      [order],
    )
    const page = await boards.rig.openBoard({}, recordSounds)
    await page.getByRole('button', { name: 'Sound is off: turn on' }).click()
    await page.getByRole('button', { name: 'Sound on' }).waitFor()
    expect(await soundsOf(page)).to.deep.equal({ new: 0, late: 0, cancelled: 0 })
    await boards.rig.placeMany(5)
    await boards.rig.untilShownIsStored(page)
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
    await boards.rig.system.api.cancel(order)
    await untilText(page, '.flag', /Cancelled/)
    expect(await soundsOf(page)).to.deep.equal({ new: 1, late: 1, cancelled: 1 })
  })

  it('asks for a touch when the browser locks the sound, and keeps the screen on while it is visible', async () => {
    const page = await boards.rig.openBoard({}, async opened => {
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
    // A browser under load may miss the first touch.
    await until('a touch has unlocked the sound', async () => {
      await page.locator('h1').click()
      return await page.getByRole('button', { name: 'Sound on' }).isVisible()
    })
    const wakeLocks = () => page.evaluate(() => document.documentElement.dataset['wakeLocks'])
    expect(await wakeLocks()).to.equal('screen ')
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    expect(await wakeLocks()).to.equal('screen screen ')
  })

  it('is accessible when empty, when orders are late, and in forced colours, and names orders in words', async () => {
    const page = await boards.rig.openBoard({ reducedMotion: 'reduce' })
    await untilText(page, '.empty', /Nothing to cook/)
    await expectAccessible(page, 'empty')
    const late = await boards.rig.place('no nuts')
    const fresh = await boards.rig.place()
    await boards.rig.system.query(
      `update orders set placed_at = placed_at - interval '72 minutes' where order_id = $1 returning order_id`,
      [late],
    )
    await page.reload()
    await untilIn(page, 'cook', fresh)
    const { code } = await boards.rig.system.api.order(late)
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

  it('shows every state of an order without colour, and flashes in none', async () => {
    const [fresh = '', soon = '', late = '', cancelled = '', pending = ''] = await boards.rig.placeMany(5)
    for (const [order, minutes] of [
      [soon, 9],
      [late, 16],
    ] as const)
      await boards.rig.system.query(
        `update orders set placed_at = placed_at - make_interval(mins => $2) where order_id = $1 returning order_id`,
        [order, minutes],
      )
    const page = await boards.rig.openBoard()
    await boards.rig.untilShownIsStored(page)
    await boards.rig.system.api.cancel(cancelled)
    await untilText(page, '.flag', /Cancelled/)
    await press(page, 'cook', pending, /^Ready/)
    await untilText(page, '.flag', /sent in/)
    const looks: string[] = []
    for (const order of [fresh, soon, late, cancelled, pending])
      looks.push(await cardOf(page, 'cook', order).evaluate(lookWithoutColour))
    expect(new Set(looks)).to.have.lengthOf(looks.length)
    await boards.rig.system.api.call('PUT', `/api/v1/orders/${soon}/ready`)
    await untilIn(page, 'ready', soon)
    const broken = await page
      .locator('.card:has(.print)')
      .evaluateAll(cards =>
        cards.filter(
          card =>
            card.querySelector('.print')?.getBoundingClientRect().top !==
            card.querySelector('.more')?.getBoundingClientRect().top,
        ),
      )
    expect(broken.length, 'cards whose small buttons stand in two lines').to.equal(0)
    const changes = await recordChanges(page)
    await page.clock.runFor(3_000)
    const [kinds] = await changes()
    expect(kinds).to.not.include.members(['attributes class', 'attributes style'])
    boards.rig.proxy.cut()
    await untilText(page, '.banner', /Not connected/)
    expect(await page.evaluate(() => document.getAnimations().length)).to.equal(0)
  })
})

/** Returns what tells a card from others on a screen without colours: words, borders and lines. */
function lookWithoutColour(card: HTMLElement | SVGElement): string {
  const { borderTopWidth, borderTopStyle, borderLeftWidth, borderLeftStyle } = getComputedStyle(card)
  const title = card.querySelector('h3') as Element
  const { textDecorationLine } = getComputedStyle(title)
  const words = /late|Cancelled|sent in/.exec(card.textContent)
  return [borderTopWidth, borderTopStyle, borderLeftWidth, borderLeftStyle, textDecorationLine, words].join()
}
