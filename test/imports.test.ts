import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..')

interface Cruise {
  modules: { source: string; dependencies: { resolved: string }[] }[]
  summary: { violations: unknown[] }
}

describe('the import directions', () => {
  it('were checked on the modules that there are, and hold', async () => {
    const cli = join(ROOT, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruiser.mjs')
    const args = ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json']
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], {
      cwd: ROOT,
      maxBuffer: 64 * 1024 * 1024,
    })
    const { modules, summary } = JSON.parse(stdout) as Cruise
    const ours = modules.filter(({ source }) => source.startsWith('src/'))
    expect(ours.length).to.be.above(40)
    const main = ours.find(({ source }) => source === 'src/main.ts')
    expect(main?.dependencies.map(({ resolved }) => resolved)).to.include('src/processes/all.ts')
    expect(summary.violations).to.deep.equal([])
  })
})
