import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { installBrowser } from './install.ts'

const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js')
const MISSING = '/none/chromium'

/** Runs a test that needs a browser. */
function testInBrowser(env: Record<string, string>): { status: number | null; output: string } {
  const folder = temporaryFolder('browser')
  const file = join(folder, 'some.test.mjs')
  const { href } = pathToFileURL(join(import.meta.dirname, 'browser.ts'))
  writeFileSync(
    file,
    `import { describeInBrowser } from '${href}'\ndescribeInBrowser('a page', () => it('is drawn', () => {}))`,
  )
  const { CI: _, ...inherited } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [mocha, '--no-config', file], {
    cwd: folder,
    env: { ...inherited, ...env },
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

describe('the browser of the tests', () => {
  const { CHROMIUM } = process.env
  afterEach(() => {
    if (CHROMIUM === undefined) delete process.env['CHROMIUM']
    else process.env['CHROMIUM'] = CHROMIUM
  })

  it('is the one that CHROMIUM names', () => {
    process.env['CHROMIUM'] = process.execPath
    expect(installBrowser()).to.deep.equal({ executable: process.execPath, libraries: undefined })
  })

  it('is missing by name when CHROMIUM names no file: tests are skipped, and fail under CI', () => {
    const skipped = testInBrowser({ CHROMIUM: MISSING })
    expect(skipped.output).to.include(
      `not tested: a page, because CHROMIUM names ${MISSING}, which is no file`,
    )
    expect(skipped.output).not.to.include('is drawn')
    expect(skipped.status).to.equal(0)
    const failed = testInBrowser({ CHROMIUM: MISSING, CI: 'true' })
    expect(failed.output).to.include(`CHROMIUM names ${MISSING}, which is no file`)
    expect(failed.status).to.equal(1)
  })
})
