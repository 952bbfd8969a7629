import { expect } from 'chai'
import { expectInvariants } from '../support/invariants.ts'
import { processRoles } from '../support/role-logins.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { fuzzApi } from './fuzz-api.ts'

describe('a short fuzz run from the OpenAPI document', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem([...processRoles, 'operations'])
  })
  after(() => system.stop())

  it('gets only documented responses, no 5xx, and reads accepted input back unchanged', async () => {
    const { statuses, readBackCount, failures } = await fuzzApi({
      baseUrl: system.api.baseUrl,
      requestCount: 1_300,
      seed: 4,
    })
    expect(failures.slice(0, 5)).to.deep.equal([])
    // A run whose requests are all rejected would prove nothing.
    expect(readBackCount).to.be.above(10)
    expect(Object.keys(statuses)).to.include.members(['200', '201', '202', '404', '422'])
    await until('no order is PLACED any more', async () => {
      const open = await system.database.query(`select 1 from orders where status = 'PLACED' limit 1`)
      return open.length === 0
    })
    await expectInvariants(system.database)
  })
})
