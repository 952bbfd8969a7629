import { expect } from 'chai'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import type { Config } from '../../src/platform/config.ts'
import { Proxy } from '../faults/proxy.ts'
import type { ApiClient } from '../support/api-client.ts'
import { quiet } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import { launchBrowser, openPage, type TestPage } from './browser.ts'

const TIMEOUT_MS = 20_000
/** Characters of a page in the message of an error. */
const MAX_SHOWN_LENGTH = 1_000
/** A card that has moved takes no touch for this time. */
export const DEAF_MS = 650
const UNDO_MS = 6_000
/** Orders that are placed at a time. */
const PLACED_AT_A_TIME = 20

/** What the rig needs of a system; the bench has another one than the tests. */
export interface RigSystem {
  api: ApiClient
  query: <Row extends object>(sql: string, values: unknown[]) => Promise<Row[]>
  stop: () => Promise<void>
}

/** A browser with boards of one restaurant, which reach the API through a proxy. */
export class BoardRig {
  readonly system: RigSystem
  readonly proxy: Proxy
  readonly browser: Browser
  restaurant_id = ''
  pizza = ''
  #pages: TestPage[] = []

  private constructor(system: RigSystem, proxy: Proxy, browser: Browser) {
    this.system = system
    this.proxy = proxy
    this.browser = browser
  }

  /** Starts a browser, and a proxy before the API of the system. */
  static async on(system: RigSystem): Promise<BoardRig> {
    const browser = await launchBrowser()
    return new BoardRig(system, await Proxy.listen(portOf(system.api)), browser)
  }

  /** Starts a browser and all roles of a system in this process. */
  static async start(overrides: Partial<Config> = {}): Promise<BoardRig & { test: TestSystem }> {
    const test = await startSystem(undefined, quiet, overrides)
    const rig = await BoardRig.on({
      api: test.api,
      query: (sql, values) => test.database.query(sql, values),
      stop: test.stop,
    })
    return Object.assign(rig, { test })
  }

  async stop(): Promise<void> {
    await this.browser.close()
    await this.proxy.close()
    await this.system.stop()
  }

  /** Adds a restaurant, whose boards and orders are meant from now on. */
  async addRestaurant(): Promise<void> {
    ;({ restaurant_id: this.restaurant_id } = await this.system.api.addRestaurant())
    ;({ menu_item_id: this.pizza } = await this.system.api.addItem(this.restaurant_id, 100_000))
  }

  get url(): string {
    return `http://127.0.0.1:${this.proxy.port}/board?restaurant=${this.restaurant_id}`
  }

  /** Opens a board, whose clock the test can advance. @param prepare runs before the page loads */
  async openBoard(
    options: BrowserContextOptions = {},
    prepare: (page: Page) => Promise<void> = async () => undefined,
  ): Promise<Page> {
    const page = await this.openPage(this.url, options, async opened => {
      await opened.clock.install()
      await prepare(opened)
    })
    await untilText(page, '.chip', /Live/)
    return page
  }

  async openPage(
    url: string,
    options?: BrowserContextOptions,
    prepare?: (page: Page) => Promise<void>,
  ): Promise<Page> {
    const opened = await openPage(this.browser, url, options, prepare)
    this.#pages.push(opened)
    return opened.page
  }

  /** Closes all pages, and expects that none had an error or violated its policy. */
  async closePages(): Promise<void> {
    const opened = this.#pages.splice(0)
    await Promise.all(opened.map(page => page.close()))
    expect(opened.flatMap(({ failures }) => failures)).to.deep.equal([])
  }

  /** Places an order of two pizzas, and does not wait for its preparation. */
  async submit(notes?: string): Promise<string> {
    const { status, body } = await this.system.api.call<{ order_id: string }>('POST', '/api/v1/orders', {
      restaurant_id: this.restaurant_id,
      items: [{ menu_item_id: this.pizza, quantity: 2 }],
      ...(notes ? { notes } : {}),
    })
    expect(status, 'status of the placement').to.equal(202)
    return body.order_id
  }

  async place(notes?: string): Promise<string> {
    const orderId = await this.submit(notes)
    await this.system.api.untilStatus(orderId, 'PREPARING')
    return orderId
  }

  async placeMany(count: number): Promise<string[]> {
    const placed: string[] = []
    while (placed.length < count) {
      const next = Math.min(PLACED_AT_A_TIME, count - placed.length)
      placed.push(...(await Promise.all(Array.from({ length: next }, () => this.place()))))
    }
    return placed
  }

  /** The open orders of the restaurant as Postgres has them, by column, oldest first. */
  async stored(): Promise<Record<string, string[]>> {
    const rows = await this.system.query<{ order_id: string; place: string }>(
      `select order_id,
         case when status = 'OUT_FOR_DELIVERY' then 'out' when ready_at is null then 'cook' else 'ready' end as place
       from orders
       where restaurant_id = $1
         and status in ('PREPARING', 'OUT_FOR_DELIVERY')
       order by date_trunc('milliseconds', placed_at), order_id`,
      [this.restaurant_id],
    )
    const ids = (place: string) => rows.filter(row => row.place === place).map(({ order_id }) => order_id)
    return { cook: ids('cook'), ready: ids('ready'), out: ids('out') }
  }

  /** What the cards of the open orders have to say, by Postgres. */
  async storedContents(): Promise<[orderId: string, items: string, note: string][]> {
    const rows = await this.system.query<{ order_id: string; items: string; note: string }>(
      `select order_id, coalesce('Note ' || notes, '') as note,
         string_agg(quantity || '× ' || name, ',' order by line_no) as items
       from orders
       join order_items using (order_id, restaurant_id)
       where restaurant_id = $1
         and status in ('PREPARING', 'OUT_FOR_DELIVERY')
       group by order_id, notes`,
      [this.restaurant_id],
    )
    return rows.map(({ order_id, items, note }) => [order_id, items, note])
  }

  async untilShownIsStored(page: Page): Promise<void> {
    let [onBoard, inPostgres] = ['', '']
    const what = () =>
      `the board shows what Postgres has: it showed ${onBoard}, and Postgres had ${inPostgres}`
    await untilSlowly(what, async () => {
      onBoard = JSON.stringify(await shown(page))
      inPostgres = JSON.stringify(await this.stored())
      return onBoard === inPostgres
    })
  }

  async stepsOf(orderId: string): Promise<string[]> {
    return (await this.system.api.order(orderId)).timeline.map(({ to_status }) => to_status)
  }
}

/** Boards of a `describe`, with a system that its tests share and a restaurant for each. */
export interface Boards {
  readonly rig: BoardRig & { test: TestSystem }
  /** What a test starts and the test's end has to stop, also after it has failed. */
  readonly stops: (() => Promise<unknown>)[]
}

/** Registers hooks that start and stop a system and a browser, and close the pages of each test. */
export function registerBoards(overrides: Partial<Config> = {}): Boards {
  let rig: Boards['rig'] | undefined
  const stops: Boards['stops'] = []
  before(async function () {
    // The first run installs a browser.
    this.timeout(180_000)
    rig = await BoardRig.start(overrides)
  })
  after(() => rig?.stop())
  beforeEach(async () => {
    rig?.proxy.retarget(portOf(rig.system.api))
    await rig?.addRestaurant()
  })
  afterEach(async () => {
    await rig?.closePages()
    rig?.proxy.thaw()
    for (const stop of stops.splice(0)) await stop()
  })
  return {
    get rig() {
      if (!rig) throw new Error('the boards are not started')
      return rig
    },
    stops,
  }
}

export function portOf({ baseUrl }: { baseUrl: string }): number {
  return Number(new URL(baseUrl).port)
}

/** The ids on the board by column, from top to bottom. */
export async function shown(page: Page): Promise<Record<string, string[]>> {
  return await page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll<HTMLElement>('[data-column]')].map(section => [
        section.dataset['column'] ?? '',
        [...section.querySelectorAll<HTMLElement>('[data-order]')].map(card => card.dataset['order'] ?? ''),
      ]),
    ),
  )
}

export async function untilText(page: Page, selector: string, hasText: RegExp): Promise<void> {
  await untilState(page, page.locator(selector).filter({ hasText }).first(), 'visible')
}

/** Waits for an element. @throws Error with the text of the page, if it waits in vain */
async function untilState(page: Page, element: Locator, state: 'visible' | 'detached'): Promise<void> {
  try {
    await element.waitFor({ state, timeout: TIMEOUT_MS })
  } catch (error) {
    const shownText = await page.locator('body').innerText({ timeout: TIMEOUT_MS })
    throw new Error(`the page shows ${JSON.stringify(shownText.slice(0, MAX_SHOWN_LENGTH))}`, {
      cause: error,
    })
  }
}

export function cardOf(page: Page, column: string, orderId: string): Locator {
  return page.locator(`[data-column="${column}"] [data-order="${orderId}"]`)
}

export async function untilIn(page: Page, column: string, orderId: string): Promise<void> {
  await untilState(page, cardOf(page, column, orderId), 'visible')
}

export async function untilGone(page: Page, orderId: string): Promise<void> {
  await untilState(page, page.locator(`[data-order="${orderId}"]`), 'detached')
}

/** Presses a button of a card. Cards are deaf for a moment after they have moved. */
export async function press(
  page: Page,
  column: string,
  orderId: string,
  button: string | RegExp,
): Promise<void> {
  const target = cardOf(page, column, orderId).getByRole('button', { name: button })
  await page.clock.runFor(DEAF_MS)
  await target.click()
}

/** Lets the time pass in which a gesture can be undone. */
export async function passUndoTime(page: Page): Promise<void> {
  await page.clock.runFor(UNDO_MS)
}

/** Freezes or wakes a page, as the browser does with a laptop's pages when its lid is closed. */
export async function setFrozen(page: Page, isFrozen: boolean): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('Page.setWebLifecycleState', { state: isFrozen ? 'frozen' : 'active' })
  await session.detach()
}
