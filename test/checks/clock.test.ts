import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', '..')

/**
 * Files that may read the system clock: the clock itself compares it with the database's, and log
 * lines have the time of the machine, as the logs of other programs there do.
 */
const ALLOWED = ['src/platform/clock.ts', 'src/platform/log.ts']

/** What reads the system clock: `Date.now`, `new Date()`, `Date()` and `performance.timeOrigin`. */
const SYSTEM_CLOCK = /\bDate\.now\b|(?<!\.)\bDate\(\s*\)|\btimeOrigin\b/

describe('the system clock', () => {
  for (const [code, isFound] of [
    ['const at = new Date()', true],
    ['const at = new Date( )', true],
    ['const at = Date()', true],
    ['const ms = Date.now()', true],
    ['clock = Date.now', true],
    ['performance.timeOrigin + performance.now()', true],
    ['new Date(0)', false],
    ['new Date(row.at)', false],
    ['Date.parse(time)', false],
    ['performance.now()', false],
    ['nowMs()', false],
  ] as const) {
    it(`${isFound ? 'is' : 'is not'} read by \`${code}\``, () =>
      expect(SYSTEM_CLOCK.test(code)).to.equal(isFound))
  }

  it('is read by no file but the clock and the log: all others use src/platform/clock.ts', () => {
    // In a browser, the clock is the device's: src/pages/browser/clock.ts follows the server's.
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !/^[^/]+\/browser\//.test(file))
      .map(file => `src/${file}`)
    expect(files).to.have.length.above(150)
    const found = files.filter(file => SYSTEM_CLOCK.test(readFileSync(join(ROOT, file), 'utf8')))
    expect(found.sort()).to.deep.equal(ALLOWED)
  })
})
