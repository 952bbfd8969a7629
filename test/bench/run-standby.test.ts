import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { spawnScript } from '../scripts/spawn-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import type { StandbyFigures } from './measure-standby.ts'

describe('npm run bench:standby', () => {
  it('measures a synchronous standby behind the link', async () => {
    const folder = temporaryFolder()
    const json = join(folder, 'standby.json')
    const modes = ['link-on']
    const args = ['--seconds', '1', '--only', modes.join(), '--json', json]
    const { status, stdout, stderr } = await spawnScript('../test/bench/run-standby', args).ended
    expect(status, stdout + stderr).to.equal(0)
    const { results, roundTripMs } = JSON.parse(readFileSync(json, 'utf8')) as StandbyFigures
    rmSync(folder, { recursive: true })
    expect(results.map(({ name }) => name)).to.deep.equal(modes)
    expect(roundTripMs).to.be.above(1)
    for (const { place, endToEnd } of results) {
      expect(place['orders/s']).to.be.above(0)
      expect(endToEnd['orders/s']).to.be.above(0)
    }
  })
})
