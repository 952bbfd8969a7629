import { expect } from 'chai'
import { expectInvariants } from '../support/invariants.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { fuzzApi } from './fuzz-api.ts'

/** For a machine that has much else to do. */
const TIMEOUT_MS = 90_000

describe('fuzzing from the OpenAPI document, a short run', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())

  it('meets no 5xx, only documented answers, and what was accepted reads back', async function () {
    this.timeout(TIMEOUT_MS)
    const { statuses, readBackCount, failures } = await fuzzApi({
      baseUrl: system.api.baseUrl,
      requestCount: 400,
      seed: 42,
    })
    expect(failures.slice(0, 5)).to.deep.equal([])
    // A run that only ever is refused would show nothing.
    expect(readBackCount).to.be.above(10)
    expect(Object.keys(statuses)).to.include.members(['200', '201', '202', '404', '422'])
    await until('no order waits for the slow path', async () => {
      const open = await system.database.query(`select 1 from orders where status = 'PLACED' limit 1`)
      return open.length === 0
    })
    await expectInvariants(system.database)
  })
})
