import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { spawnScript } from '../scripts/spawn-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { describeInBrowser } from './browser.ts'

describeInBrowser('npm run bench:board', () => {
  it('shows on every board what Postgres has, and measures how long that takes', async () => {
    const folder = temporaryFolder()
    const json = join(folder, 'board.json')
    const args = ['--seconds', '2', '--orders', '12', '--open', '24', '--json', json]
    const { status, stdout, stderr } = await spawnScript('../test/browser/run-bench', args).ended
    expect(status, stdout + stderr).to.equal(0)
    const figures = JSON.parse(readFileSync(json, 'utf8')) as Record<string, unknown>
    rmSync(folder, { recursive: true })
    expect(figures).to.deep.include({ orders: 12, open: 24, failures: [] })
    expect(figures).to.have.nested.property('rush.placed.count', 36)
    expect(figures).to.have.nested.property('soldOut.count', 3)
    expect(figures).to.have.property('many').with.lengthOf(2)
    expect(stdout).to.match(/from commit to painted: new orders p50 \d+ ms/)
  }).timeout(240_000)
})
