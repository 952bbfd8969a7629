import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { installBrowser } from './install.ts'

const sources = join(import.meta.dirname, '..', '..', 'src')
const MODULE = /\/assets\/([\w-]+\/browser\/[\w-]+\.ts)$/

/** Set where coverage is measured, which makes pages slower. */
const coverageFolder = process.env['NODE_V8_COVERAGE']

/** The browser, or why there is none. */
const installed = installBrowser()

/** Starts the browser, with the libraries of its package where the system lacks them. */
export async function launchBrowser(): Promise<Browser> {
  if (typeof installed === 'string') throw new Error(installed)
  const { chromium } = await import('playwright-core')
  const { executable: executablePath, libraries } = installed
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
  try {
    return await chromium.launch({ executablePath, args })
  } catch (error) {
    if (libraries === undefined) throw error
    return await chromium.launch({
      executablePath,
      args,
      env: { ...environment(), LD_LIBRARY_PATH: libraries },
    })
  }
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  )
}

/** Registers tests that need a browser. Without one, says once what was skipped. */
export function describeInBrowser(title: string, tests: () => void): void {
  describe(title, () => {
    if (typeof installed !== 'string') return tests()
    console.warn(`not tested: ${title}, because ${installed}`)
    it('is tested in a browser under CI', () => expect(process.env['CI']).to.equal(undefined))
  })
}

/** A page of the tests: knows what went wrong in it, and records which code has run. */
export interface TestPage {
  page: Page
  /** violations of the page's policy, uncaught errors, and errors in the console */
  failures: string[]
  close: () => Promise<void>
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  prepare: (page: Page) => Promise<void> = async () => undefined,
): Promise<TestPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const failures: string[] = []
  page.on('pageerror', error => failures.push(error.message))
  page.on('console', message => {
    // Tests cause answers with an error status and refused origins on purpose.
    const isExpected = /^(Failed to load resource|Access to fetch at .* CORS policy)/.test(message.text())
    if (message.type() === 'error' && !isExpected) failures.push(message.text())
  })
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`policy violated: ${violatedDirective} ${blockedURI}`),
    )
  })
  await prepare(page)
  if (coverageFolder) await page.coverage.startJSCoverage({ resetOnNavigation: false })
  await page.goto(url)
  return {
    page,
    failures,
    close: async () => {
      if (coverageFolder) writeCoverage(coverageFolder, await page.coverage.stopJSCoverage())
      await context.close()
    },
  }
}

/** The pages that the tests of a `describe` open: each test ends with all of them closed. */
export class TestPages {
  #browser: Browser | undefined
  #opened: TestPage[] = []

  /** Registers hooks of the `describe` that start and end a browser, and close the pages. */
  static register(): TestPages {
    const pages = new TestPages()
    before(async function () {
      // The first run installs a browser.
      this.timeout(180_000)
      pages.#browser = await launchBrowser()
    })
    afterEach(() => pages.closeAll())
    after(() => pages.#browser?.close())
    return pages
  }

  async open(...[url, options, prepare]: OpenParameters): Promise<Page> {
    if (!this.#browser) throw new Error('the browser is not started')
    const opened = await openPage(this.#browser, url, options, prepare)
    this.#opened.push(opened)
    return opened.page
  }

  /** Closes all pages, and expects that none had an error or violated its policy. */
  async closeAll(): Promise<void> {
    const opened = this.#opened.splice(0)
    await Promise.all(opened.map(page => page.close()))
    expect(opened.flatMap(({ failures }) => failures)).to.deep.equal([])
  }
}

type OpenParameters = [url: string, options?: BrowserContextOptions, prepare?: (page: Page) => Promise<void>]

/** Adds what has run in the page to the coverage of this process. */
function writeCoverage(
  folder: string,
  entries: Awaited<ReturnType<Page['coverage']['stopJSCoverage']>>,
): void {
  const result = entries.flatMap(({ url, scriptId, functions }) => {
    const [, file] = MODULE.exec(url) ?? []
    return file ? [{ scriptId, url: pathToFileURL(join(sources, file)).href, functions }] : []
  })
  writeFileSync(join(folder, `coverage-${process.pid}-${randomUUID()}.json`), JSON.stringify({ result }))
}

let axe = ''

/** Expects that axe finds no violation of WCAG 2.2 AA or of its best practices. */
export async function expectAccessible(page: Page, state: string): Promise<void> {
  axe ||= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  // The page's policy permits no inline script; the protocol evaluates beside it.
  await page.evaluate(axe)
  const violations = await page.evaluate(async () => {
    const { run } = (globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe
    const { violations } = await run({ resultTypes: ['violations'] })
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`,
    )
  })
  expect(violations, state).to.deep.equal([])
}

interface AxeResults {
  violations: { id: string; nodes: { html: string }[] }[]
}

/** Expects that nothing sticks out of the window to the right. */
export async function expectNoSidewaysScrolling(page: Page, width: number): Promise<void> {
  const widest = await page.evaluate(() => document.documentElement.scrollWidth)
  expect(widest, `at ${width} px`).to.be.at.most(width)
}
