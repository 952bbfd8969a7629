import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { spawnScript } from '../scripts/spawn-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const EVENT_COUNT = 100

interface Figures {
  events: number
  receivers: { behaviour: string; received: number; refused: number }[]
  lags: { deliveries: number }[]
  failures: string[]
}

describe('npm run bench:webhooks', function () {
  // A killed worker's deliveries are retried only after its heartbeat has expired.
  this.timeout(240_000)

  it('delivers every event in order to all reachable receivers while others fail and processes are killed', async () => {
    const folder = temporaryFolder()
    const json = join(folder, 'webhooks.json')
    const args = ['--events', String(EVENT_COUNT), '--rate', '20', '--json', json]
    const { status, stdout, stderr } = await spawnScript('../test/bench/run-webhooks', args).ended
    expect(status, stdout + stderr).to.equal(0)
    const { events, receivers, lags, failures } = JSON.parse(readFileSync(json, 'utf8')) as Figures
    rmSync(folder, { recursive: true })
    expect(failures).to.deep.equal([])
    expect(events).to.equal(EVENT_COUNT)
    const received = (behaviour: string) =>
      receivers.filter(each => each.behaviour === behaviour).map(({ received }) => received)
    expect(received('good')).to.deep.equal(Array.from({ length: 14 }, () => EVENT_COUNT))
    expect(received('slow')).to.deep.equal(Array.from({ length: 3 }, () => EVENT_COUNT))
    expect(received('failing')).to.deep.equal(Array.from({ length: 2 }, () => EVENT_COUNT))
    expect(received('gone')).to.deep.equal([0])
    expect(lags.reduce((sum, { deliveries }) => sum + deliveries, 0)).to.equal(14 * EVENT_COUNT)
    expect(stdout)
      .to.match(/lag of the good receivers/)
      .and.to.match(/good +14 +1,400 /)
    expect(stderr).to.include('kill -9 of worker and dispatcher')
  })
})
