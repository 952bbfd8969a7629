import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { spawnScript } from '../scripts/spawn-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const EVENT_COUNT = 100

interface Figures {
  events: number
  receivers: { behaviour: string; came: number; refused: number }[]
  lags: { deliveries: number }[]
  wrongs: string[]
}

describe('npm run bench:webhooks', function () {
  // Several processes, one of which is killed and comes back, and what it held is waited for.
  this.timeout(130_000)

  it('sees every event arrive, in order, at all that are there, whoever is slow, fails or is killed', async () => {
    const folder = temporaryFolder()
    const json = join(folder, 'webhooks.json')
    const args = ['--events', String(EVENT_COUNT), '--rate', '20', '--json', json]
    const { status, stdout, stderr } = await spawnScript('../test/bench/run-webhooks', args).ended
    expect(status, stdout + stderr).to.equal(0)
    const { events, receivers, lags, wrongs } = JSON.parse(readFileSync(json, 'utf8')) as Figures
    rmSync(folder, { recursive: true })
    expect(wrongs).to.deep.equal([])
    expect(events).to.equal(EVENT_COUNT)
    const came = (behaviour: string) =>
      receivers.filter(each => each.behaviour === behaviour).map(({ came }) => came)
    expect(came('good')).to.deep.equal(Array.from({ length: 14 }, () => EVENT_COUNT))
    expect(came('slow')).to.deep.equal(Array.from({ length: 3 }, () => EVENT_COUNT))
    expect(came('failing')).to.deep.equal(Array.from({ length: 2 }, () => EVENT_COUNT))
    expect(came('gone')).to.deep.equal([0])
    expect(lags.reduce((sum, { deliveries }) => sum + deliveries, 0)).to.equal(14 * EVENT_COUNT)
    expect(stdout)
      .to.match(/lag of the good ones/)
      .and.to.match(/good +14 +1,400 /)
    expect(stderr).to.include('kill -9 of worker and dispatcher')
  })
})
