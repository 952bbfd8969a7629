import { expect } from 'chai'
import pg from 'pg'
import { checks } from '../../src/ops/invariants/invariants.ts'
import { openTestDatabase } from '../support/system.ts'
import { fillTables, makeBacklog } from './fill-tables.ts'
import { fillWebhooks, makeDeliveryBacklog } from './fill-webhooks.ts'

const ORDERS = 5_000
/** What is put in for operators to find breaks no others. */
const BROKEN_ON_PURPOSE = [
  'check_placed_events',
  'check_events_dispatched',
  'check_events_accounted',
  'check_history',
]

describe('the tables that views are timed on', function () {
  this.timeout(60_000)

  let client: pg.Client
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    close = test.close
    client = new pg.Client({ connectionString: test.url })
    await client.connect()
  })
  after(async () => {
    await client.end()
    await close()
  })

  const rows = async <T extends object>(sql: string) => (await client.query<T>(sql)).rows
  async function expectSound(): Promise<void> {
    const broken: string[] = []
    for (const { name } of checks)
      if ((await rows(`select from ops.${name} limit 1`)).length > 0) broken.push(name)
    expect(broken).to.deep.equal(BROKEN_ON_PURPOSE)
  }

  it('have orders, stock and statistics as the slow path leaves them, and nobody to deliver to', async () => {
    await fillTables(client, ORDERS)
    await expectSound()
    expect(await rows('select from orders')).to.have.length(ORDERS)
    expect(await rows('select from webhooks')).to.deep.equal([])
    expect(await rows('select pending from ops.projections')).to.deep.equal([{ pending: 0 }])
  })

  it('have deliveries as workers leave them, of which some wait, have died or were discarded', async () => {
    await fillWebhooks(client)
    await expectSound()
    const found = await rows<{ state: string }>(
      'select distinct state from webhook_deliveries order by state',
    )
    expect(found.map(({ state }) => state)).to.deep.equal([
      'AWAITS_ROOM',
      'DEAD',
      'DELIVERED',
      'DISCARDED',
      'QUEUED',
    ])
    expect((await rows('select from ops.webhooks where failing_since is not null')).length).to.be.above(0)
  })

  it('have a backlog that workers would take up', async () => {
    await makeBacklog(client)
    await makeDeliveryBacklog(client)
    await expectSound()
  })
})
