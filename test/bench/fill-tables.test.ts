import { expect } from 'chai'
import pg from 'pg'
import { checks } from '../../src/ops/invariants/invariants.ts'
import { openTestDatabase } from '../support/system.ts'
import { fillDeadLetters, fillTables, makeBacklog } from './fill-tables.ts'
import { fillWebhooks, makeDeliveryBacklog } from './fill-webhooks.ts'
import { timeScreens } from './time-screens.ts'

const ORDERS = 5_000
/** The invariants that the planted problems violate. */
const VIOLATED_ON_PURPOSE = [
  'check_placed_events',
  'check_events_dispatched',
  'check_events_accounted',
  'check_history',
]

describe('the tables that npm run bench:views fills', () => {
  let client: pg.Client
  let url: string
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    ;({ url, close } = test)
    client = new pg.Client({ connectionString: url })
    await client.connect()
  })
  after(async () => {
    await client.end()
    await close()
  })

  const rows = async <T extends object>(sql: string) => (await client.query<T>(sql)).rows
  async function expectOnlyPlannedViolations(): Promise<void> {
    const violated: string[] = []
    for (const { name } of checks)
      if ((await rows(`select from ops.${name} limit 1`)).length > 0) violated.push(name)
    expect(violated).to.deep.equal(VIOLATED_ON_PURPOSE)
  }

  it('contain orders, stock and statistics as the pipeline leaves them, without webhooks', async () => {
    await fillTables(client, ORDERS)
    await expectOnlyPlannedViolations()
    expect(await rows('select from orders')).to.have.length(ORDERS)
    expect(await rows('select from webhooks')).to.deep.equal([])
    expect(await rows('select pending from ops.projections')).to.deep.equal([{ pending: 0 }])
  })

  it('contain delivered, pending, dead and discarded deliveries as workers leave them', async () => {
    await fillWebhooks(client)
    await expectOnlyPlannedViolations()
    const found = await rows<{ state: string }>(
      'select distinct state from webhook_deliveries order by state',
    )
    expect(found.map(({ state }) => state)).to.deep.equal(['DEAD', 'DELIVERED', 'DISCARDED', 'PENDING'])
    expect((await rows('select from ops.webhooks where failing_since is not null')).length).to.be.above(0)
  })

  it('contain pending jobs and deliveries after a backlog is made', async () => {
    await makeBacklog(client)
    await makeDeliveryBacklog(client)
    await expectOnlyPlannedViolations()
  })

  it('answer every request of the console', async () => {
    await fillDeadLetters(client, ORDERS)
    const screens = await timeScreens(url, client, 1)
    expect(screens.filter(({ ms }) => !Number.isFinite(ms))).to.deep.equal([])
    expect(screens.length).to.be.above(20)
  })
})
